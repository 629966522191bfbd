//! TxnOffsetCommit: offsets of a group that count when the transaction commits.

use std::sync::Arc;

use kafka_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestPartition;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use tidemill_broker::{ErrorKind, OffsetsRefused, ProducerIdentity, Topic};
use tidemill_groups::{CommitRequest, CommittedOffset, OffsetKey};

use super::{optional, transaction_error};
use crate::codes;
use crate::service::Call;

/// Since this version the group need not be added to the transaction before.
const ADDS_GROUP: i16 = 5;

pub(crate) async fn handle(call: &Call<'_>, request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
    let mut offsets = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in &request.topics {
        let topic = call.broker().topic(&asked.name);
        let mut results = Vec::with_capacity(asked.partitions.len());
        for partition in &asked.partitions {
            let code = match check(call, topic.as_ref(), partition) {
                Ok(offset) => {
                    offsets.push(offset);
                    codes::NONE
                }
                Err(code) => code,
            };
            let result =
                TxnOffsetCommitResponsePartition::default().with_partition_index(partition.partition_index);
            results.push(result.with_error_code(code));
        }
        topics.push(
            TxnOffsetCommitResponseTopic::default().with_name(asked.name.clone()).with_partitions(results),
        );
    }
    let who = ProducerIdentity { producer_id: request.producer_id.0, producer_epoch: request.producer_epoch };
    let commit = CommitRequest {
        group_id: request.group_id.to_string(),
        generation: request.generation_id,
        member_id: request.member_id.to_string(),
        instance_id: optional(request.group_instance_id.as_ref()),
        offsets,
    };
    let adds_group = call.version() >= ADDS_GROUP;
    let version = if adds_group { 2 } else { 1 };
    let id = &request.transactional_id;
    if let Err(refused) = call.broker().commit_transactional_offsets(id, who, version, commit).await {
        let code = error_code(&refused, adds_group);
        let accepted = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        accepted.filter(|partition| partition.error_code == codes::NONE).for_each(|p| p.error_code = code);
    }
    TxnOffsetCommitResponse::default().with_topics(topics)
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

fn check(
    call: &Call<'_>,
    topic: Option<&Arc<Topic>>,
    partition: &TxnOffsetCommitRequestPartition,
) -> Result<CommittedOffset, i16> {
    let topic = topic
        .filter(|topic| topic.placement(partition.partition_index).is_some())
        .ok_or(codes::UNKNOWN_TOPIC_OR_PARTITION)?;
    let metadata = optional(partition.committed_metadata.as_ref()).unwrap_or_default();
    if metadata.len() > call.groups().options().offset_metadata_max_bytes {
        return Err(codes::OFFSET_METADATA_TOO_LARGE);
    }
    Ok(CommittedOffset {
        key: OffsetKey { topic_id: topic.id, partition: partition.partition_index },
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata,
    })
}
