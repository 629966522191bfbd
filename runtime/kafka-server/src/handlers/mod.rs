//! One file per API: from the request to the broker, and back to the response.

pub(crate) mod add_offsets_to_txn;
pub(crate) mod add_partitions_to_txn;
pub(crate) mod alter_client_quotas;
pub(crate) mod alter_configs;
pub(crate) mod alter_partition_reassignments;
pub(crate) mod api_versions;
pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod delete_groups;
pub(crate) mod delete_records;
pub(crate) mod delete_topics;
pub(crate) mod describe_client_quotas;
pub(crate) mod describe_cluster;
pub(crate) mod describe_configs;
pub(crate) mod describe_groups;
pub(crate) mod describe_log_dirs;
pub(crate) mod describe_producers;
pub(crate) mod describe_quorum;
pub(crate) mod describe_topic_partitions;
pub(crate) mod describe_transactions;
pub(crate) mod describe_user_scram_credentials;
pub(crate) mod elect_leaders;
pub(crate) mod end_txn;
pub(crate) mod fetch;
pub(crate) mod find_coordinator;
pub(crate) mod get_telemetry_subscriptions;
pub(crate) mod heartbeat;
pub(crate) mod incremental_alter_configs;
pub(crate) mod init_producer_id;
pub(crate) mod join_group;
pub(crate) mod leave_group;
pub(crate) mod list_config_resources;
pub(crate) mod list_groups;
pub(crate) mod list_offsets;
pub(crate) mod list_partition_reassignments;
pub(crate) mod list_transactions;
pub(crate) mod metadata;
pub(crate) mod offset_commit;
pub(crate) mod offset_delete;
pub(crate) mod offset_fetch;
pub(crate) mod offset_for_leader_epoch;
pub(crate) mod produce;
pub(crate) mod push_telemetry;
pub(crate) mod sync_group;
pub(crate) mod txn_offset_commit;
pub(crate) mod update_features;
pub(crate) mod write_txn_markers;

mod asked_offsets;
mod config_resource;
mod quota_entity;
mod telemetry_client;

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use tidemill_broker::{ErrorKind, TransactionStatus};
use uuid::Uuid;

/// Operations on a topic, cluster and group that anybody may do while there are no ACLs, as bits
/// of Kafka's operation codes.
const TOPIC_OPERATIONS: i32 = 0b0000_1101_1111_1000;
const CLUSTER_OPERATIONS: i32 = 0b0001_1111_1010_0000;
const GROUP_OPERATIONS: i32 = 0b0001_0100_1000;
/// What stands where nobody asked for operations.
const OPERATIONS_NOT_ASKED: i32 = i32::MIN;

fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// An optional string that is empty as good as absent.
fn optional(text: Option<&StrBytes>) -> Option<String> {
    text.map(|text| text.to_string())
}

/// The code of an error about a transaction, for a client that may be too old for PRODUCER_FENCED.
fn transaction_error(kind: ErrorKind, knows_fenced: bool) -> i16 {
    match kind {
        ErrorKind::ProducerFenced if !knows_fenced => ErrorKind::InvalidProducerEpoch.kafka_code(),
        kind => kind.kafka_code(),
    }
}

/// The name that Kafka's tools show.
fn status_name(status: TransactionStatus) -> &'static str {
    match status {
        TransactionStatus::Empty => "Empty",
        TransactionStatus::Ongoing => "Ongoing",
        TransactionStatus::PrepareCommit => "PrepareCommit",
        TransactionStatus::PrepareAbort => "PrepareAbort",
        TransactionStatus::CompleteCommit => "CompleteCommit",
        TransactionStatus::CompleteAbort => "CompleteAbort",
    }
}

/// A UUID as Kafka writes them: base64 for URLs, without padding.
fn uuid_text(id: Uuid) -> StrBytes {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = id.as_u128();
    // 128 bits are 21 groups of six and one of two, which is padded with zeros.
    let groups = (0..21u32).map(|n| bits >> (122 - 6 * n)).chain([bits << 4]);
    let digits = groups.filter_map(|group| ALPHABET.get(usize::try_from(group & 63).ok()?).copied());
    text(digits.map(char::from).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_look_like_kafkas() {
        assert_eq!(&*uuid_text(Uuid::nil()), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(&*uuid_text(Uuid::from_u128(u128::MAX)), "_____________________w");
        let id = Uuid::parse_str("e0be8dde-7485-4fe3-8c0a-d2bef97fbeb3").unwrap();
        assert_eq!(&*uuid_text(id), "4L6N3nSFT-OMCtK--X--sw");
    }
}
