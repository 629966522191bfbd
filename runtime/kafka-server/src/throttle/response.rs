//! Responses that can tell a client how long it is throttled.

use kafka_protocol::messages::*;

/// A response with a throttle time. Versions that have none leave it out.
pub(crate) trait Throttled {
    /// Says how long the client is not heard, in milliseconds.
    fn set_throttle_time(&mut self, throttle_ms: i32);
}

macro_rules! throttled {
    ($($response:ident)*) => {
        $(impl Throttled for $response {
            fn set_throttle_time(&mut self, throttle_ms: i32) {
                self.throttle_time_ms = throttle_ms;
            }
        })*
    };
}

throttled! {
    AddOffsetsToTxnResponse
    AddPartitionsToTxnResponse
    AlterClientQuotasResponse
    AlterConfigsResponse
    AlterPartitionReassignmentsResponse
    ApiVersionsResponse
    CreatePartitionsResponse
    CreateTopicsResponse
    DeleteGroupsResponse
    DeleteRecordsResponse
    DeleteTopicsResponse
    DescribeClientQuotasResponse
    DescribeClusterResponse
    DescribeConfigsResponse
    DescribeGroupsResponse
    DescribeLogDirsResponse
    DescribeProducersResponse
    DescribeTopicPartitionsResponse
    DescribeTransactionsResponse
    DescribeUserScramCredentialsResponse
    ElectLeadersResponse
    EndTxnResponse
    FindCoordinatorResponse
    GetTelemetrySubscriptionsResponse
    HeartbeatResponse
    IncrementalAlterConfigsResponse
    InitProducerIdResponse
    JoinGroupResponse
    LeaveGroupResponse
    ListConfigResourcesResponse
    ListGroupsResponse
    ListOffsetsResponse
    ListPartitionReassignmentsResponse
    ListTransactionsResponse
    MetadataResponse
    OffsetCommitResponse
    OffsetDeleteResponse
    OffsetFetchResponse
    OffsetForLeaderEpochResponse
    ProduceResponse
    PushTelemetryResponse
    SyncGroupResponse
    TxnOffsetCommitResponse
    UpdateFeaturesResponse
}

impl Throttled for WriteTxnMarkersResponse {
    /// It goes between brokers, and has no place for it.
    fn set_throttle_time(&mut self, _: i32) {}
}

impl Throttled for DescribeQuorumResponse {
    /// It has no place for it.
    fn set_throttle_time(&mut self, _: i32) {}
}
