//! Requests to produce, and what is said of them.

use anyhow::ensure;
use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};

use super::wire::{Frame, Wire};
use crate::peer::topic_name;

/// The newest version that names topics by name.
const PRODUCE_VERSION: i16 = 11;

/// A request with acks=all that writes one batch to one partition.
pub fn frame(topic: &str, partition: i32, batch: Bytes) -> anyhow::Result<Frame> {
    frame_of([(topic, partition, batch)])
}

/// A request with acks=all.
pub fn frame_of<'a>(batches: impl IntoIterator<Item = (&'a str, i32, Bytes)>) -> anyhow::Result<Frame> {
    let mut topics: Vec<TopicProduceData> = Vec::new();
    for (topic, partition, batch) in batches {
        let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch));
        let name = topic_name(topic);
        match topics.iter_mut().find(|topic| topic.name == name) {
            Some(topic) => topic.partition_data.push(data),
            None => {
                topics.push(TopicProduceData::default().with_name(name).with_partition_data(vec![data]));
            }
        }
    }
    let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(60_000).with_topic_data(topics);
    Frame::new(&request, PRODUCE_VERSION)
}

/// Waits for the next acknowledgement.
pub fn acknowledged(wire: &mut Wire) -> anyhow::Result<ProduceResponse> {
    let answer = wire.receive::<ProduceRequest>(PRODUCE_VERSION)?;
    for part in answer.responses.iter().flat_map(|topic| &topic.partition_responses) {
        ensure!(part.error_code == 0, "partition {}: error {}", part.index, part.error_code);
    }
    Ok(answer)
}
