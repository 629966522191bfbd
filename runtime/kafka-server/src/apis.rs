//! Which APIs are served, in which versions: the one table behind ApiVersions, the check of every
//! request, and `docs/kafka-compatibility.md`.

use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AlterClientQuotasRequest, AlterConfigsRequest,
    AlterPartitionReassignmentsRequest, ApiKey, ApiVersionsRequest, CreatePartitionsRequest,
    CreateTopicsRequest, DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    DescribeClientQuotasRequest, DescribeClusterRequest, DescribeConfigsRequest, DescribeGroupsRequest,
    DescribeLogDirsRequest, DescribeProducersRequest, DescribeQuorumRequest, DescribeTopicPartitionsRequest,
    DescribeTransactionsRequest, DescribeUserScramCredentialsRequest, ElectLeadersRequest, EndTxnRequest,
    FetchRequest, FindCoordinatorRequest, GetTelemetrySubscriptionsRequest, HeartbeatRequest,
    IncrementalAlterConfigsRequest, InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest,
    ListConfigResourcesRequest, ListGroupsRequest, ListOffsetsRequest, ListPartitionReassignmentsRequest,
    ListTransactionsRequest, MetadataRequest, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
    OffsetForLeaderEpochRequest, ProduceRequest, PushTelemetryRequest, SyncGroupRequest,
    TxnOffsetCommitRequest, UpdateFeaturesRequest, WriteTxnMarkersRequest,
};
use kafka_protocol::protocol::{Message, VersionRange};

use crate::decode::DecodeError;

/// An API that is served.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Api {
    /// Its key.
    pub key: ApiKey,
    /// Its name.
    pub name: &'static str,
    /// First version advertised.
    pub advertised_min: i16,
    /// First version served.
    pub min: i16,
    /// Last version advertised and served.
    pub max: i16,
    /// What a reader of the compatibility page should know.
    pub note: &'static str,
}

macro_rules! apis {
    ($($name:ident $request:ident $note:literal,)*) => {
        &[$(api(ApiKey::$name, stringify!($name), $request::VERSIONS, $note)),*]
    };
}

const fn api(key: ApiKey, name: &'static str, served: VersionRange, note: &'static str) -> Api {
    // Old librdkafka turns compression off unless it sees Produce 0, so Kafka 4 advertises it, too.
    let advertised_min = if matches!(key, ApiKey::Produce) { 0 } else { served.min };
    Api { key, name, advertised_min, min: served.min, max: served.max, note }
}

/// Every API served, by key.
pub static APIS: &[Api] = apis! {
    Produce ProduceRequest "0–2 are advertised and refused, as Kafka does",
    Fetch FetchRequest "",
    ListOffsets ListOffsetsRequest "",
    Metadata MetadataRequest "",
    OffsetCommit OffsetCommitRequest "",
    OffsetFetch OffsetFetchRequest "",
    FindCoordinator FindCoordinatorRequest "groups and transactions",
    JoinGroup JoinGroupRequest "",
    Heartbeat HeartbeatRequest "",
    LeaveGroup LeaveGroupRequest "",
    SyncGroup SyncGroupRequest "",
    DescribeGroups DescribeGroupsRequest "",
    ListGroups ListGroupsRequest "",
    ApiVersions ApiVersionsRequest "one feature, transaction.version",
    CreateTopics CreateTopicsRequest "replication factor 1 or the default",
    DeleteTopics DeleteTopicsRequest "",
    DeleteRecords DeleteRecordsRequest "",
    InitProducerId InitProducerIdRequest "",
    OffsetForLeaderEpoch OffsetForLeaderEpochRequest "",
    AddPartitionsToTxn AddPartitionsToTxnRequest "",
    AddOffsetsToTxn AddOffsetsToTxnRequest "",
    EndTxn EndTxnRequest "",
    WriteTxnMarkers WriteTxnMarkersRequest "",
    TxnOffsetCommit TxnOffsetCommitRequest "",
    DescribeConfigs DescribeConfigsRequest "topics, brokers, client-metrics and groups",
    AlterConfigs AlterConfigsRequest "topics, brokers and client-metrics; those of groups have no effect yet and are refused",
    DescribeLogDirs DescribeLogDirsRequest "the local disk and the bucket, as two directories",
    CreatePartitions CreatePartitionsRequest "",
    DeleteGroups DeleteGroupsRequest "",
    ElectLeaders ElectLeadersRequest "one broker leads every partition already",
    IncrementalAlterConfigs IncrementalAlterConfigsRequest "as AlterConfigs",
    AlterPartitionReassignments AlterPartitionReassignmentsRequest "to this broker only",
    ListPartitionReassignments ListPartitionReassignmentsRequest "",
    OffsetDelete OffsetDeleteRequest "",
    DescribeClientQuotas DescribeClientQuotasRequest "",
    AlterClientQuotas AlterClientQuotasRequest "producer_byte_rate, consumer_byte_rate, request_percentage, connection_creation_rate",
    DescribeUserScramCredentials DescribeUserScramCredentialsRequest "nobody has any yet",
    DescribeQuorum DescribeQuorumRequest "the metadata journal; this broker is its only voter",
    UpdateFeatures UpdateFeaturesRequest "transaction.version, 0 to 2",
    DescribeCluster DescribeClusterRequest "",
    DescribeProducers DescribeProducersRequest "",
    DescribeTransactions DescribeTransactionsRequest "groups of a transaction are not shown as partitions of an offsets topic",
    ListTransactions ListTransactionsRequest "",
    GetTelemetrySubscriptions GetTelemetrySubscriptionsRequest "the broker itself is the receiver: /metrics/clients; off with client.metrics.max.series=0",
    PushTelemetry PushTelemetryRequest "as GetTelemetrySubscriptions",
    ListConfigResources ListConfigResourcesRequest "",
    DescribeTopicPartitions DescribeTopicPartitionsRequest "",
};

/// Whether an API is one of those by which clients push metrics, which can be turned off.
pub(crate) fn is_telemetry(key: ApiKey) -> bool {
    matches!(key, ApiKey::GetTelemetrySubscriptions | ApiKey::PushTelemetry)
}

/// The API with this key.
pub fn find(key: ApiKey) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key == key)
}

/// Whether a version of an API is served.
pub(crate) fn check(key: ApiKey, version: i16) -> Result<&'static Api, DecodeError> {
    let api = find(key).ok_or(DecodeError::UnknownApi(key as i16))?;
    if (api.min..=api.max).contains(&version) {
        Ok(api)
    } else {
        Err(DecodeError::UnsupportedVersion { api: api.name, version })
    }
}
