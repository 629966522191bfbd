//! DescribeProducers: the producers that a partition knows, and their open transactions.

use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};
use tidemill_broker::TopicRef;

use super::text;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let reference = TopicRef::from(&**topic.name);
        let partitions =
            topic.partition_indexes.into_iter().map(|partition| one(call, &reference, partition));
        let partitions = partitions.collect();
        TopicResponse::default().with_name(topic.name).with_partitions(partitions)
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

fn one(call: &Call<'_>, topic: &TopicRef, partition: i32) -> PartitionResponse {
    let response = PartitionResponse::default().with_partition_index(partition);
    let producers = match call.broker().describe_producers(topic, partition) {
        Ok(producers) => producers,
        Err(error) => {
            return response
                .with_error_code(error.kind.kafka_code())
                .with_error_message(Some(text(error.message)));
        }
    };
    let active = producers.into_iter().map(|producer| {
        ProducerState::default()
            .with_producer_id(ProducerId(producer.producer_id))
            .with_producer_epoch(i32::from(producer.producer_epoch))
            .with_last_sequence(producer.last_sequence)
            .with_last_timestamp(producer.last_timestamp_ms)
            .with_coordinator_epoch(producer.coordinator_epoch)
            .with_current_txn_start_offset(producer.open_since)
    });
    response.with_error_message(None).with_active_producers(active.collect())
}
