//! Reading a partition from its start, as fast as it comes, as a consumer with default settings asks.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{FetchRequest, FetchResponse, ListOffsetsRequest};
use tidemill_records::RecordBatch;

use super::wire::Wire;
use crate::peer::topic_name;

/// The newest version that names topics by name.
pub const FETCH_VERSION: i16 = 12;
const LIST_OFFSETS_VERSION: i16 = 7;
/// `max.partition.fetch.bytes` and `fetch.max.bytes` of Kafka's consumer.
const PARTITION_BYTES: i32 = 1 << 20;
const FETCH_BYTES: i32 = 50 << 20;

/// What was read.
pub struct Consumed {
    /// Bytes of record batches.
    pub bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl Consumed {
    /// Throughput.
    pub fn mb_per_s(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.elapsed.as_secs_f64()
    }

    /// Billions of bytes.
    pub fn gb(&self) -> f64 {
        self.bytes as f64 / 1e9
    }
}

/// Reads partition 0 of a topic until `end`.
pub fn consume(addr: &str, topic: &str, end: i64) -> anyhow::Result<Consumed> {
    let mut wire = Wire::connect(addr)?;
    let (mut offset, mut bytes) = (0, 0);
    let started = Instant::now();
    while offset < end {
        let answer = wire.call(&fetch_request(topic, 0, offset), FETCH_VERSION)?;
        let mut records = records_of(answer)?;
        ensure!(!records.is_empty(), "nothing at offset {offset} of {end}");
        bytes += records.len() as u64;
        let before = offset;
        // The last batch may be cut off, as Kafka allows.
        while let Ok(batch) = RecordBatch::split(&mut records) {
            offset = batch.next_offset();
        }
        ensure!(offset > before, "no whole batch at offset {before}");
    }
    Ok(Consumed { bytes, elapsed: started.elapsed() })
}

/// Where partition 0 of a topic ends.
pub fn end_of(addr: &str, topic: &str) -> anyhow::Result<i64> {
    let wanted = ListOffsetsPartition::default()
        .with_partition_index(0)
        .with_current_leader_epoch(-1)
        .with_timestamp(-1);
    let topics = vec![ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(vec![wanted])];
    let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(topics);
    let answer = Wire::connect(addr)?.call(&request, LIST_OFFSETS_VERSION)?;
    let part = answer.topics.first().and_then(|topic| topic.partitions.first());
    let part = part.context("an answer without the partition")?;
    ensure!(part.error_code == 0, "{topic}: error {}", part.error_code);
    Ok(part.offset)
}

/// What a consumer asks for.
pub fn fetch_request(topic: &str, partition: i32, offset: i64) -> FetchRequest {
    let wanted = FetchPartition::default()
        .with_partition(partition)
        .with_current_leader_epoch(-1)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(PARTITION_BYTES);
    let topics = vec![FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![wanted])];
    FetchRequest::default()
        .with_max_wait_ms(500)
        .with_min_bytes(1)
        .with_max_bytes(FETCH_BYTES)
        .with_session_epoch(-1)
        .with_topics(topics)
}

/// The records in an answer about one partition.
pub fn records_of(answer: FetchResponse) -> anyhow::Result<Bytes> {
    ensure!(answer.error_code == 0, "fetch: error {}", answer.error_code);
    let mut parts = answer.responses.into_iter().flat_map(|topic| topic.partitions);
    let part = parts.next().context("an answer without the partition")?;
    ensure!(part.error_code == 0, "fetch: error {}", part.error_code);
    Ok(part.records.unwrap_or_default())
}
