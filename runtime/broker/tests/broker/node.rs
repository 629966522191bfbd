//! A broker in a temporary folder, with a clock that tests can move.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use tempfile::TempDir;
use tidemill_broker::{
    Broker, BrokerConfig, Error, FetchPartition, FetchRequest, FetchedPartition, NewTopic, ProducePartition,
    ProduceRequest, Produced,
};
use tidemill_disk::{Clock, Disk, RealDisk};
use tidemill_records::{BatchBuilder, BatchFacts, Compression, RecordBatch, Records};

/// Wall clock plus what a test has added.
#[derive(Default)]
pub struct TestClock {
    added_ms: AtomicI64,
}

impl TestClock {
    pub fn advance(&self, ms: i64) {
        self.added_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_millis() as i64 + self.added_ms.load(Ordering::SeqCst)
    }
}

pub struct Node {
    pub broker: Arc<Broker>,
    pub clock: Arc<TestClock>,
    config: BrokerConfig,
    dir: Arc<TempDir>,
}

/// Small files, so that little data exercises everything.
pub fn small(config: &mut BrokerConfig) {
    config.wal_segment_bytes = 256 << 10;
    config.hot_bytes = 64 << 20;
    config.hot_cache_bytes = 1 << 20;
    config.disk_reserve_bytes = 1 << 20;
    config.log_segment_delete_delay_ms = 0;
    // Tests stamp records as they like.
    config.topic_defaults.retention_ms = -1;
}

impl Node {
    pub async fn start() -> Self {
        Self::with(small).await
    }

    pub async fn with(set: impl FnOnce(&mut BrokerConfig)) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let data_dir = dir.path().join("data");
        // As many on every machine, and more than one.
        let mut config = BrokerConfig { data_dir, journals: 2, ..BrokerConfig::default() };
        set(&mut config);
        Self::open(config, dir, Arc::default()).await
    }

    async fn open(config: BrokerConfig, dir: Arc<TempDir>, clock: Arc<TestClock>) -> Self {
        let broker = open(config.clone(), Arc::new(RealDisk), clock.clone()).await.unwrap();
        Self { broker, clock, config, dir }
    }

    pub async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    pub async fn restart_with(mut self, set: impl FnOnce(&mut BrokerConfig)) -> Self {
        self.broker.shutdown().await;
        drop(self.broker);
        set(&mut self.config);
        Self::open(self.config, self.dir, self.clock).await
    }

    pub fn data_dir(&self) -> &Path {
        &self.config.data_dir
    }

    pub async fn create(&self, name: &str, partitions: i32) {
        self.broker.create_topic(NewTopic::named(name).with_partitions(partitions)).await.unwrap();
    }

    pub async fn produce(
        &self,
        topic: &str,
        partition: i32,
        records: impl Into<Bytes>,
    ) -> Result<Produced, Error> {
        produce(&self.broker, topic, partition, records.into()).await
    }

    /// Everything from an offset to the end, in as many fetches as it takes.
    pub async fn read_all(&self, topic: &str, partition: i32, offset: i64) -> Vec<Seen> {
        read_all(&self.broker, topic, partition, offset).await
    }

    /// The value of a metric, 0 if there is none of that name.
    pub fn metric(&self, name: &str) -> u64 {
        let mut text = String::new();
        let registry = self.broker.metrics();
        prometheus_client::encoding::text::encode(&mut text, &registry.lock()).unwrap();
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
    }
}

pub async fn open(
    config: BrokerConfig,
    disk: Arc<dyn Disk>,
    clock: Arc<TestClock>,
) -> Result<Arc<Broker>, Error> {
    Broker::start(config, disk, clock).await
}

pub async fn produce(
    broker: &Broker,
    topic: &str,
    partition: i32,
    records: Bytes,
) -> Result<Produced, Error> {
    let partitions = vec![ProducePartition { topic: topic.into(), partition, records }];
    let pending = broker.submit_produce(ProduceRequest { acks: -1, partitions }).await;
    pending.wait().await.remove(0).result
}

pub fn want(topic: &str, partition: i32, offset: i64) -> FetchPartition {
    FetchPartition {
        topic: topic.into(),
        partition,
        offset,
        max_bytes: 1 << 20,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
    }
}

pub fn fetch_request(partitions: Vec<FetchPartition>) -> FetchRequest {
    FetchRequest { max_wait_ms: 0, min_bytes: 1, max_bytes: 8 << 20, partitions, ..FetchRequest::default() }
}

pub async fn fetch_one(broker: &Broker, topic: &str, partition: i32, offset: i64) -> FetchedPartition {
    broker.fetch(fetch_request(vec![want(topic, partition, offset)])).await.remove(0)
}

pub async fn read_all(broker: &Broker, topic: &str, partition: i32, mut offset: i64) -> Vec<Seen> {
    let mut all = Vec::new();
    loop {
        let fetched = fetch_one(broker, topic, partition, offset).await;
        assert_eq!(fetched.error, None, "{topic}-{partition} at {offset}");
        let Some(last) = fetched.batches.last() else {
            assert_eq!(offset, fetched.high_watermark, "{topic}-{partition}");
            return all;
        };
        let next = last.next_offset();
        all.extend(fetched.batches.iter().flat_map(see).filter(|seen| seen.offset >= offset));
        offset = next;
    }
}

/// Everything a consumer can observe of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Base offset, last offset, attributes, max timestamp, producer id, epoch, sequence, leader epoch, count.
    pub batch: (i64, i64, i16, i64, i64, i16, i32, i32, i32),
}

pub fn see(batch: &RecordBatch) -> Vec<Seen> {
    batch.verify_crc().unwrap();
    let h = batch.header();
    let facts = (
        batch.base_offset(),
        batch.last_offset(),
        h.attributes.bits(),
        h.max_timestamp,
        h.producer_id,
        h.producer_epoch,
        h.base_sequence,
        h.partition_leader_epoch,
        h.record_count,
    );
    let section = batch.uncompressed_records(1 << 26).unwrap();
    Records::new(&section, batch.record_count())
        .map(|record| {
            let record = record.unwrap();
            Seen {
                offset: batch.offset_of(&record),
                timestamp: batch.timestamp_of(&record),
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record.headers.iter().map(|(k, v)| (k.to_vec(), v.map(<[u8]>::to_vec))).collect(),
                batch: facts,
            }
        })
        .collect()
}

/// A batch of records with these values, all stamped `timestamp`.
pub fn batch_at(timestamp: i64, values: &[&str]) -> Bytes {
    build(timestamp, values, Compression::None, -1, -1)
}

pub fn batch(values: &[&str]) -> Bytes {
    batch_at(1_700_000_000_000, values)
}

pub fn build(timestamp: i64, values: &[&str], codec: Compression, producer_id: i64, sequence: i32) -> Bytes {
    let facts = BatchFacts {
        base_timestamp: timestamp,
        producer_id,
        producer_epoch: if producer_id < 0 { -1 } else { 0 },
        base_sequence: sequence,
        ..BatchFacts::default()
    };
    let mut builder = BatchBuilder::new(facts);
    for (index, value) in values.iter().enumerate() {
        let key = format!("key-{index}");
        let headers: [(&[u8], Option<&[u8]>); 2] = [(b"h", Some(b"1")), (b"h", None)];
        builder.push(index as i32, index as i64, Some(key.as_bytes()), Some(value.as_bytes()), &headers);
    }
    builder.build(codec).unwrap().into_bytes()
}

/// A batch with one record of this many bytes that do not compress well.
pub fn large(bytes: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let value: String = (0..bytes)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + (state >> 57) as u8 % 90)
        })
        .collect();
    batch_at(1_700_000_000_000, &[&value])
}
