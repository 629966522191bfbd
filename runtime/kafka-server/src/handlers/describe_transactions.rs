//! DescribeTransactions.

use std::collections::HashSet;

use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use kafka_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId, TransactionalId,
};

use super::{status_name, text, topic_name};
use crate::service::Call;

pub(crate) async fn handle(
    call: &Call<'_>,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    // An id that is named a thousand times is described once.
    let mut seen = HashSet::new();
    let ids = request.transactional_ids.into_iter().filter(|id| seen.insert(id.clone()));
    let described = ids.map(|id| one(call, id));
    DescribeTransactionsResponse::default().with_transaction_states(described.collect())
}

fn one(call: &Call<'_>, id: TransactionalId) -> TransactionState {
    let described = call.broker().describe_transaction(&id);
    let state = TransactionState::default().with_transactional_id(id);
    match described {
        Err(error) => state.with_error_code(error.kind.kafka_code()),
        Ok(described) => {
            let topics = described.partitions.into_iter().map(|(topic, partitions)| {
                TopicData::default().with_topic(topic_name(&topic)).with_partitions(partitions)
            });
            state
                .with_transaction_state(text(status_name(described.status)))
                .with_transaction_timeout_ms(described.timeout_ms)
                .with_transaction_start_time_ms(described.started_at_ms)
                .with_producer_id(ProducerId(described.producer_id))
                .with_producer_epoch(described.producer_epoch)
                .with_topics(topics.collect())
        }
    }
}
