//! AddPartitionsToTxn: of one producer up to version 3, of several, or only asked for, from 4 on.

use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};
use tidemill_broker::{PartitionId, ProducerIdentity};

use super::transaction_error;
use crate::codes;
use crate::service::Call;

/// Since this version clients know PRODUCER_FENCED.
const KNOWS_FENCED: i16 = 2;
/// Since this version a request may be about several producers.
const BATCHED: i16 = 4;

/// One producer's partitions.
struct Asked {
    transactional_id: String,
    who: ProducerIdentity,
    verify_only: bool,
    topics: Vec<AddPartitionsToTxnTopic>,
}

pub(crate) async fn handle(
    call: &Call<'_>,
    request: AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    if call.version() < BATCHED {
        let asked = Asked {
            transactional_id: request.v3_and_below_transactional_id.to_string(),
            who: ProducerIdentity {
                producer_id: request.v3_and_below_producer_id.0,
                producer_epoch: request.v3_and_below_producer_epoch,
            },
            verify_only: false,
            topics: request.v3_and_below_topics,
        };
        let results = one(call, asked).await;
        return AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results);
    }
    let mut results = Vec::with_capacity(request.transactions.len());
    for transaction in request.transactions {
        let asked = Asked {
            transactional_id: transaction.transactional_id.to_string(),
            who: ProducerIdentity {
                producer_id: transaction.producer_id.0,
                producer_epoch: transaction.producer_epoch,
            },
            verify_only: transaction.verify_only,
            topics: transaction.topics,
        };
        let result = AddPartitionsToTxnResult::default()
            .with_transactional_id(transaction.transactional_id)
            .with_topic_results(one(call, asked).await);
        results.push(result);
    }
    AddPartitionsToTxnResponse::default().with_results_by_transaction(results)
}

async fn one(call: &Call<'_>, asked: Asked) -> Vec<AddPartitionsToTxnTopicResult> {
    let found: Vec<Vec<Option<PartitionId>>> = asked.topics.iter().map(|topic| find(call, topic)).collect();
    if asked.verify_only {
        return answer(&asked, &found, |id| {
            id.map_or(codes::UNKNOWN_TOPIC_OR_PARTITION, |id| verify(call, &asked, id))
        });
    }
    if found.iter().flatten().any(Option::is_none) {
        // All or nothing, so that a producer does not write to some of them.
        return answer(&asked, &found, |id| match id {
            None => codes::UNKNOWN_TOPIC_OR_PARTITION,
            Some(_) => codes::OPERATION_NOT_ATTEMPTED,
        });
    }
    let partitions: Vec<PartitionId> = found.iter().flatten().flatten().copied().collect();
    let added = call.broker().add_to_transaction(&asked.transactional_id, asked.who, &partitions, &[]).await;
    let knows_fenced = call.version() >= KNOWS_FENCED;
    let code = added.map_or_else(|error| transaction_error(error.kind, knows_fenced), |()| codes::NONE);
    answer(&asked, &found, |_| code)
}

fn find(call: &Call<'_>, topic: &AddPartitionsToTxnTopic) -> Vec<Option<PartitionId>> {
    let known = call.broker().topic(&topic.name);
    let find = |partition: &i32| {
        let known = known.as_ref().filter(|known| known.placement(*partition).is_some())?;
        Some(PartitionId { topic_id: known.id, partition: *partition })
    };
    topic.partitions.iter().map(find).collect()
}

fn verify(call: &Call<'_>, asked: &Asked, partition: PartitionId) -> i16 {
    let confirmed = call.broker().confirm_in_transaction(&asked.transactional_id, asked.who, partition);
    confirmed.map_or_else(|error| transaction_error(error.kind, true), |()| codes::NONE)
}

fn answer(
    asked: &Asked,
    found: &[Vec<Option<PartitionId>>],
    code: impl Fn(Option<PartitionId>) -> i16,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let topics = asked.topics.iter().zip(found).map(|(topic, found)| {
        let partitions = topic.partitions.iter().zip(found).map(|(partition, found)| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*partition)
                .with_partition_error_code(code(*found))
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(partitions.collect())
    });
    topics.collect()
}
