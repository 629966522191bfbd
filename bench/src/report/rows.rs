//! What is measured, in which unit, and what we aim at.

use anyhow::Context;

use crate::peer::Kind;

/// What a figure of ours is held against.
#[derive(Clone, Copy)]
pub enum Aim {
    /// At least so many times a peer's figure of this row.
    AtLeast(f64, Kind),
    /// At most so many times a peer's figure of this row.
    AtMost(f64, Kind),
    /// As [`Aim::AtLeast`], against a peer's figure of another row.
    AtLeastOf(f64, Kind, &'static str),
    /// At most our figure of another row, and so much more.
    AtMostPlus(f64, &'static str),
    /// Below this.
    Below(f64),
    /// This row and the other one differ by at most this share of the other.
    Within(f64, &'static str),
}

/// A row of the table.
pub struct Row {
    /// Its name in code and JSON.
    pub id: &'static str,
    /// The scenario that measures it, which `--only` takes.
    pub scenario: &'static str,
    /// What it says in the table.
    pub what: &'static str,
    /// Unit of its figures.
    pub unit: &'static str,
    /// What we aim at.
    pub aims: &'static [Aim],
}

/// The row with this name.
pub fn row(id: &str) -> anyhow::Result<&'static Row> {
    ROWS.iter().find(|row| row.id == id).with_context(|| format!("there is no row {id}"))
}

macro_rules! row {
    ($id:literal, $scenario:literal, $what:literal, $unit:literal, $($aim:expr),* $(,)?) => {
        Row { id: $id, scenario: $scenario, what: $what, unit: $unit, aims: &[$($aim),*] }
    };
}

use Aim::{AtLeast, AtLeastOf, AtMost, AtMostPlus, Below, Within};
use Kind::{Kafka, KafkaFlush};

/// All rows, in the order of the table.
pub const ROWS: &[Row] = &[
    row!("raw.p50", "raw", "raw disk: append 1 KiB and fdatasync, p50", "µs",),
    row!("raw.p99", "raw", "raw disk: append 1 KiB and fdatasync, p99", "µs",),
    row!(
        "produce.1.rate",
        "produce",
        "produce, 1 partition",
        "MB/s",
        AtLeast(1.5, Kafka),
        AtLeast(10.0, KafkaFlush)
    ),
    row!("produce.1.cpu", "produce", "produce, 1 partition: broker CPU", "s/GB", AtMost(0.3, Kafka)),
    row!(
        "produce.6.rate",
        "produce",
        "produce, 6 partitions",
        "MB/s",
        AtLeast(1.5, Kafka),
        AtLeast(10.0, KafkaFlush)
    ),
    row!("produce.6.cpu", "produce", "produce, 6 partitions: broker CPU", "s/GB", AtMost(0.3, Kafka)),
    row!("steady.rate", "steady", "steady state, 6 partitions, sealing and deletion included", "MB/s",),
    row!("steady.cpu", "steady", "steady state: broker CPU", "s/GB", AtMost(1.2, Kafka)),
    row!("paced.p50", "latency", "produce at 10,000 records/s, open loop, p50", "µs", AtMost(1.0, Kafka)),
    row!("paced.p99", "latency", "produce at 10,000 records/s, open loop, p99", "µs", AtMost(0.3, Kafka)),
    row!("paced.p999", "latency", "produce at 10,000 records/s, open loop, p99.9", "µs", AtMost(0.3, Kafka)),
    row!("e2e.p50", "latency", "end to end at 1,000 records/s, p50", "µs", AtMost(0.7, Kafka)),
    row!("e2e.p99", "latency", "end to end at 1,000 records/s, p99", "µs", AtMost(0.3, Kafka)),
    row!("sync.p50", "latency", "one synchronous 1 KiB produce, p50", "µs", AtMostPlus(150.0, "raw.p50")),
    row!("sync.p99", "latency", "one synchronous 1 KiB produce, p99", "µs",),
    row!(
        "consume.hot.rate",
        "consume",
        "consume from the start, from memory or log",
        "MB/s",
        AtLeast(1.5, Kafka)
    ),
    row!("consume.hot.cpu", "consume", "consume from the start: broker CPU", "s/GB", AtMost(0.5, Kafka)),
    row!(
        "consume.archived.rate",
        "consume",
        "consume from the start, from cached Parquet",
        "MB/s",
        AtLeastOf(0.8, Kafka, "consume.hot.rate"),
    ),
    row!("consume.archived.cpu", "consume", "consume from cached Parquet: broker CPU", "s/GB",),
    row!("seal.rate", "consume", "seal to Parquet, zstd-1", "MB/s",),
    row!("seal.cpu", "consume", "seal to Parquet, zstd-1: broker CPU", "s/GB",),
    row!("many.create", "partitions", "create 1,000 topics of 10 partitions", "s", AtMost(0.1, Kafka)),
    row!("many.restart", "partitions", "restart with 10,000 partitions to ready", "s", AtMost(0.1, Kafka)),
    row!(
        "many.rate",
        "partitions",
        "one producer round-robin over 10,000 partitions",
        "records/s",
        AtLeast(10.0, KafkaFlush),
        AtLeast(2.0, Kafka),
    ),
    row!("many.idle.cpu", "partitions", "idle with 10,000 partitions: CPU", "% of a core", Below(0.5)),
    row!(
        "many.idle.memory",
        "partitions",
        "idle with 10,000 partitions: resident memory",
        "MiB",
        Below(150.0)
    ),
    row!("start", "start", "start to ready, empty", "ms", Below(150.0)),
    row!("memory.peak", "produce", "peak resident memory under full load", "MiB", AtMost(0.25, Kafka)),
    row!("flat.1.rate", "flat", "same bytes and batches over 1 partition", "MB/s",),
    row!("flat.1.p99", "flat", "same bytes and batches over 1 partition, p99", "µs",),
    row!(
        "flat.10.rate",
        "flat",
        "same bytes and batches over 10 partitions",
        "MB/s",
        Within(0.2, "flat.1.rate")
    ),
    row!(
        "flat.10.p99",
        "flat",
        "same bytes and batches over 10 partitions, p99",
        "µs",
        Within(0.2, "flat.1.p99")
    ),
    row!(
        "flat.100.rate",
        "flat",
        "same bytes and batches over 100 partitions",
        "MB/s",
        Within(0.2, "flat.1.rate")
    ),
    row!(
        "flat.100.p99",
        "flat",
        "same bytes and batches over 100 partitions, p99",
        "µs",
        Within(0.2, "flat.1.p99")
    ),
    row!(
        "flat.1000.rate",
        "flat",
        "same bytes and batches over 1,000 partitions",
        "MB/s",
        Within(0.2, "flat.1.rate")
    ),
    row!(
        "flat.1000.p99",
        "flat",
        "same bytes and batches over 1,000 partitions, p99",
        "µs",
        Within(0.2, "flat.1.p99")
    ),
    row!(
        "connections.memory",
        "connections",
        "2,000 connections, half of them in a waiting fetch",
        "KiB each",
    ),
    row!("group.1", "groups", "a group of 1 member comes together, no initial delay", "ms",),
    row!("group.200", "groups", "a group of 200 members comes together, no initial delay", "ms",),
    row!("transaction.commit.p50", "transactions", "commit a transaction over 3 partitions, p50", "µs",),
    row!("transaction.commit.p99", "transactions", "commit a transaction over 3 partitions, p99", "µs",),
    row!("transaction.p50", "transactions", "the whole transaction, one record each, p50", "µs",),
    row!("transaction.p99", "transactions", "the whole transaction, one record each, p99", "µs",),
    row!(
        "transform.rate",
        "transform",
        "transform, JSON filter, exactly once",
        "records/s",
        AtLeast(10.0, Kafka)
    ),
    row!(
        "transform.cpu",
        "transform",
        "transform: records per CPU second, broker and application",
        "records/s",
        AtLeast(10.0, Kafka),
    ),
    row!(
        "transform.p50",
        "transform",
        "through the transform at 1,000 records/s, p50",
        "µs",
        AtMost(0.1, Kafka)
    ),
    row!(
        "transform.p99",
        "transform",
        "through the transform at 1,000 records/s, p99",
        "µs",
        AtMost(0.1, Kafka)
    ),
];
