//! librdkafka's clients, set up for a broker that comes and goes.

use std::sync::atomic::{AtomicBool, Ordering};

use rand::RngExt;
use rand::rngs::StdRng;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaResult;
use rdkafka::producer::FutureProducer;
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::history::{Call, Isolation, Partition, Process};

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// Short, so that transactions that are left behind end during the run.
pub(super) const TRANSACTION_TIMEOUT_MS: i32 = 3000;

fn config(kafka_addr: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", kafka_addr)
        .set("broker.address.family", "v4")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "300")
        .set("retry.backoff.ms", "50")
        .set("retry.backoff.max.ms", "300");
    config
}

/// An idempotent producer. One in four gives up on a record before a killed broker is back.
pub(super) fn plain_producer(kafka_addr: &str, random: &mut StdRng) -> KafkaResult<FutureProducer> {
    let timeout_ms = if random.random_bool(0.25) { "150" } else { "20000" };
    config(kafka_addr)
        .set("enable.idempotence", "true")
        .set("compression.type", codec(random))
        .set("message.timeout.ms", timeout_ms)
        .create()
}

/// A producer with a transactional id that it has yet to take.
pub(super) fn transactional_producer(
    kafka_addr: &str,
    id: &str,
    random: &mut StdRng,
) -> KafkaResult<FutureProducer> {
    config(kafka_addr)
        .set("transactional.id", id)
        .set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS.to_string())
        .set("compression.type", codec(random))
        .create()
}

fn codec(random: &mut StdRng) -> &'static str {
    CODECS.get(random.random_range(0..CODECS.len())).copied().unwrap_or("none")
}

/// A consumer of one isolation level that tells the history of its group's rebalances.
///
/// No consumer makes up a position: one that is not in the log any more is to be told, not mended, and
/// groups begin with a committed one. librdkafka (2.12 to 2.16, with Apache Kafka too) forgets a group's
/// position where a rebalance comes while it asks for it again because of an open transaction; with
/// `earliest` the member would read everything once more and commit positions far behind.
pub(super) fn consumer(
    kafka_addr: &str,
    group: Option<&str>,
    isolation: Isolation,
    process: &Process,
) -> KafkaResult<BaseConsumer<Rebalances>> {
    let level = match isolation {
        Isolation::Committed => "read_committed",
        Isolation::Uncommitted => "read_uncommitted",
    };
    let mut config = config(kafka_addr);
    config
        .set("isolation.level", level)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "100")
        // Shorter than most times between kills: a start gives every member a new session, and a group
        // waits for those that went away without a word until theirs ends.
        .set("session.timeout.ms", "800")
        .set("heartbeat.interval.ms", "200");
    config.set("group.id", group.unwrap_or("unused")).set("auto.offset.reset", "error");
    config.create_with_context(Rebalances { process: process.clone(), happened: AtomicBool::new(false) })
}

/// Writes down which partitions a group gives to a consumer.
pub(super) struct Rebalances {
    process: Process,
    happened: AtomicBool,
}

impl Rebalances {
    /// Whether there was one since this was asked last.
    pub fn happened(&self) -> bool {
        self.happened.swap(false, Ordering::Relaxed)
    }
}

impl ClientContext for Rebalances {}

impl ConsumerContext for Rebalances {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let positions = match rebalance {
            Rebalance::Assign(list) => list
                .elements()
                .iter()
                .map(|part| (Partition(part.topic().to_owned(), part.partition()), -1))
                .collect(),
            Rebalance::Revoke(_) | Rebalance::Error(_) => Vec::new(),
        };
        self.process.note(Call::Assign { positions });
        self.happened.store(true, Ordering::Relaxed);
    }
}

/// Positions in librdkafka's form.
pub(super) fn position_list(positions: &[(Partition, i64)]) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (Partition(topic, number), offset) in positions {
        list.add_partition_offset(topic, *number, rdkafka::Offset::Offset(*offset))?;
    }
    Ok(list)
}
