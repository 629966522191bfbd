//! DescribeTopicPartitions: topics in the order of their names, a page at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};
use tidemill_broker::{Topic, TopicRef};

use super::{TOPIC_OPERATIONS, topic_name};
use crate::codes;
use crate::service::Call;

/// Kafka's `max.request.partition.size.limit`.
const MAX_PARTITIONS: i32 = 2000;

pub(crate) async fn handle(
    call: &Call<'_>,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let (start_topic, start_partition) = match &request.cursor {
        Some(cursor) => (cursor.topic_name.to_string(), cursor.partition_index.max(0)),
        None => (String::new(), 0),
    };
    let names: BTreeSet<String> = if request.topics.is_empty() {
        call.broker().topics().iter().map(|topic| topic.name.clone()).collect()
    } else {
        request.topics.iter().map(|topic| topic.name.to_string()).collect()
    };
    let mut room = request.response_partition_limit.clamp(1, MAX_PARTITIONS);
    let mut topics = Vec::new();
    let mut next = None;
    for name in names.range(start_topic.clone()..) {
        let first = if *name == start_topic { start_partition } else { 0 };
        if room == 0 {
            next = Some(cursor(name, first));
            break;
        }
        let Some(topic) = call.broker().topic(name) else {
            // One that was deleted between two pages is left out, as in Kafka.
            if !request.topics.is_empty() && request.cursor.is_none() {
                topics.push(unknown(name));
            }
            continue;
        };
        let end = topic.partition_count().min(first.saturating_add(room));
        topics.push(describe(call, &topic, first, end));
        room -= (end - first).max(0);
        if end < topic.partition_count() {
            next = Some(cursor(name, end));
            break;
        }
    }
    DescribeTopicPartitionsResponse::default().with_topics(topics).with_next_cursor(next)
}

fn cursor(topic: &str, partition: i32) -> Cursor {
    Cursor::default().with_topic_name(topic_name(topic)).with_partition_index(partition)
}

fn unknown(name: &str) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(codes::UNKNOWN_TOPIC_OR_PARTITION)
        .with_name(Some(topic_name(name)))
}

fn describe(
    call: &Call<'_>,
    topic: &Arc<Topic>,
    first: i32,
    end: i32,
) -> DescribeTopicPartitionsResponseTopic {
    let node = BrokerId(call.node_id());
    let reference = TopicRef::from(topic.id);
    let partitions = (first..end).map(|index| {
        let described = DescribeTopicPartitionsResponsePartition::default()
            .with_partition_index(index)
            .with_replica_nodes(vec![node])
            .with_isr_nodes(vec![node])
            .with_eligible_leader_replicas(Some(Vec::new()))
            .with_last_known_elr(Some(Vec::new()));
        match call.broker().watermarks(&reference, index) {
            Ok(marks) => described.with_leader_id(node).with_leader_epoch(marks.leader_epoch),
            Err(_) => described.with_leader_id(BrokerId(-1)).with_error_code(codes::LEADER_NOT_AVAILABLE),
        }
    });
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(topic_name(&topic.name)))
        .with_topic_id(topic.id)
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(TOPIC_OPERATIONS)
}
