//! The wire shape of every request served, as far as a walker has to know it.

mod admin;
mod cluster;
mod data;
mod group;
mod shape;
mod transaction;

use kafka_protocol::messages::ApiKey;

pub(super) use shape::{Field, Kind, Shape};

/// The shape of an API's request; none if the API is not served.
pub(super) fn request_shape(api: ApiKey) -> Option<&'static Shape> {
    Some(match api {
        ApiKey::Produce => &data::PRODUCE,
        ApiKey::Fetch => &data::FETCH,
        ApiKey::ListOffsets => &data::LIST_OFFSETS,
        ApiKey::OffsetForLeaderEpoch => &data::OFFSET_FOR_LEADER_EPOCH,
        ApiKey::InitProducerId => &data::INIT_PRODUCER_ID,
        ApiKey::OffsetCommit => &group::OFFSET_COMMIT,
        ApiKey::OffsetFetch => &group::OFFSET_FETCH,
        ApiKey::OffsetDelete => &group::OFFSET_DELETE,
        ApiKey::FindCoordinator => &group::FIND_COORDINATOR,
        ApiKey::JoinGroup => &group::JOIN_GROUP,
        ApiKey::SyncGroup => &group::SYNC_GROUP,
        ApiKey::Heartbeat => &group::HEARTBEAT,
        ApiKey::LeaveGroup => &group::LEAVE_GROUP,
        ApiKey::DescribeGroups => &group::DESCRIBE_GROUPS,
        ApiKey::ListGroups => &group::LIST_GROUPS,
        ApiKey::DeleteGroups => &group::DELETE_GROUPS,
        ApiKey::AddPartitionsToTxn => &transaction::ADD_PARTITIONS_TO_TXN,
        ApiKey::AddOffsetsToTxn => &transaction::ADD_OFFSETS_TO_TXN,
        ApiKey::EndTxn => &transaction::END_TXN,
        ApiKey::WriteTxnMarkers => &transaction::WRITE_TXN_MARKERS,
        ApiKey::TxnOffsetCommit => &transaction::TXN_OFFSET_COMMIT,
        ApiKey::DescribeProducers => &transaction::DESCRIBE_PRODUCERS,
        ApiKey::DescribeTransactions => &transaction::DESCRIBE_TRANSACTIONS,
        ApiKey::ListTransactions => &transaction::LIST_TRANSACTIONS,
        ApiKey::Metadata => &admin::METADATA,
        ApiKey::ApiVersions => &admin::API_VERSIONS,
        ApiKey::CreateTopics => &admin::CREATE_TOPICS,
        ApiKey::DeleteTopics => &admin::DELETE_TOPICS,
        ApiKey::DeleteRecords => &admin::DELETE_RECORDS,
        ApiKey::CreatePartitions => &admin::CREATE_PARTITIONS,
        ApiKey::DescribeConfigs => &admin::DESCRIBE_CONFIGS,
        ApiKey::AlterConfigs => &admin::ALTER_CONFIGS,
        ApiKey::IncrementalAlterConfigs => &admin::INCREMENTAL_ALTER_CONFIGS,
        ApiKey::DescribeCluster => &admin::DESCRIBE_CLUSTER,
        ApiKey::DescribeTopicPartitions => &admin::DESCRIBE_TOPIC_PARTITIONS,
        ApiKey::DescribeLogDirs => &cluster::DESCRIBE_LOG_DIRS,
        ApiKey::ElectLeaders => &cluster::ELECT_LEADERS,
        ApiKey::AlterPartitionReassignments => &cluster::ALTER_PARTITION_REASSIGNMENTS,
        ApiKey::ListPartitionReassignments => &cluster::LIST_PARTITION_REASSIGNMENTS,
        ApiKey::DescribeClientQuotas => &cluster::DESCRIBE_CLIENT_QUOTAS,
        ApiKey::AlterClientQuotas => &cluster::ALTER_CLIENT_QUOTAS,
        ApiKey::DescribeQuorum => &cluster::DESCRIBE_QUORUM,
        ApiKey::UpdateFeatures => &cluster::UPDATE_FEATURES,
        ApiKey::GetTelemetrySubscriptions => &cluster::GET_TELEMETRY_SUBSCRIPTIONS,
        ApiKey::PushTelemetry => &cluster::PUSH_TELEMETRY,
        ApiKey::ListConfigResources => &cluster::LIST_CONFIG_RESOURCES,
        ApiKey::DescribeUserScramCredentials => &cluster::DESCRIBE_USER_SCRAM_CREDENTIALS,
        _ => return None,
    })
}
