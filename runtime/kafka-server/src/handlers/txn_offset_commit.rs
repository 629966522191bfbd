//! TxnOffsetCommit: offsets of a group that count when the transaction commits.

use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use tidemill_broker::{ErrorKind, OffsetsRefused, ProducerIdentity};
use tidemill_groups::CommitRequest;

use super::asked_offsets::{Asked, Checked};
use super::{optional, transaction_error};
use crate::codes;
use crate::service::Call;

/// Since this version the group need not be added to the transaction before.
const ADDS_GROUP: i16 = 5;

pub(crate) async fn handle(call: &Call<'_>, request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
    let mut checked = Checked::default();
    for topic in &request.topics {
        let partitions = topic.partitions.iter().map(|partition| Asked {
            partition: partition.partition_index,
            offset: partition.committed_offset,
            leader_epoch: partition.committed_leader_epoch,
            metadata: partition.committed_metadata.as_ref(),
        });
        checked.add(call, &topic.name, partitions);
    }
    let who = ProducerIdentity { producer_id: request.producer_id.0, producer_epoch: request.producer_epoch };
    let commit = CommitRequest {
        group_id: request.group_id.to_string(),
        generation: request.generation_id,
        member_id: request.member_id.to_string(),
        instance_id: optional(request.group_instance_id.as_ref()),
        offsets: std::mem::take(&mut checked.offsets),
        retention_ms: None,
    };
    let adds_group = call.version() >= ADDS_GROUP;
    let version = if adds_group { 2 } else { 1 };
    let id = &request.transactional_id;
    let committed = call.broker().commit_transactional_offsets(id, who, version, commit).await;
    let refusal = committed.err().map(|refused| error_code(&refused, adds_group));
    let topics = checked.codes(refusal).map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(partition, code)| {
            TxnOffsetCommitResponsePartition::default().with_partition_index(partition).with_error_code(code)
        });
        TxnOffsetCommitResponseTopic::default().with_name(name).with_partitions(partitions.collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

fn error_code(refused: &OffsetsRefused, adds_group: bool) -> i16 {
    match refused {
        OffsetsRefused::Group(error) => codes::of_group(error),
        OffsetsRefused::Transaction(error) => match error.kind {
            // Older clients do not expect it, and try again on this.
            ErrorKind::ConcurrentTransactions if !adds_group => codes::COORDINATOR_LOAD_IN_PROGRESS,
            ErrorKind::TransactionAbortable if !adds_group => ErrorKind::InvalidTransactionState.kafka_code(),
            kind => transaction_error(kind, adds_group),
        },
    }
}
