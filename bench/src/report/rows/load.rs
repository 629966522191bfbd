//! Producing and consuming.

use super::Aim::{AtLeast, AtLeastOf, AtMost, AtMostPlus, Below};
use super::{BROKERS, Row, Table, Who, entry};

pub const TABLE: Table = Table {
    title: "Producing and consuming",
    preface: "The hot path alone: nothing is sealed or deleted meanwhile, except where a row says so. The rows of the \
              steady state are the same load for long, with a bound on what may stay: ours seals to Parquet, deletes \
              from the log and from the archive; Kafka deletes segments.",
    columns: BROKERS,
    rows: ROWS,
};

const RATE: &[super::Aim] = &[AtLeast(1.5, Who::KAFKA), AtLeast(10.0, Who::KAFKA_FLUSH)];

const ROWS: &[Row] = &[
    entry("start", "start", "start to ready, empty", "ms", &[Below(150.0)]),
    entry("produce.1.rate", "produce", "produce, 1 partition", "MB/s", RATE),
    entry("produce.1.cpu", "produce", "produce, 1 partition: broker CPU", "s/GB", &[AtMost(0.3, Who::KAFKA)]),
    entry("produce.6.rate", "produce", "produce, 6 partitions", "MB/s", RATE),
    entry(
        "produce.6.cpu",
        "produce",
        "produce, 6 partitions: broker CPU",
        "s/GB",
        &[AtMost(0.3, Who::KAFKA)],
    ),
    entry(
        "memory.peak",
        "produce",
        "peak resident memory under full load",
        "MiB",
        &[AtMost(0.25, Who::KAFKA)],
    ),
    entry("steady.rate", "steady", "steady state: produce, 6 partitions", "MB/s", &[]),
    entry(
        "steady.cpu",
        "steady",
        "steady state: broker CPU, all that goes with it",
        "s/GB",
        &[AtMost(1.2, Who::KAFKA)],
    ),
    entry("steady.p99", "steady", "steady state: produce p99", "µs", &[]),
    entry("steady.sealed", "steady", "steady state: sealed meanwhile", "% of the bytes", &[]),
    entry(
        "paced.p50",
        "latency",
        "produce at 10,000 records/s, open loop, p50",
        "µs",
        &[AtMost(1.0, Who::KAFKA)],
    ),
    entry(
        "paced.p99",
        "latency",
        "produce at 10,000 records/s, open loop, p99",
        "µs",
        &[AtMost(0.3, Who::KAFKA)],
    ),
    entry(
        "paced.p999",
        "latency",
        "produce at 10,000 records/s, open loop, p99.9",
        "µs",
        &[AtMost(0.3, Who::KAFKA)],
    ),
    entry("sealing.p50", "sealing", "the same while six partitions are sealed, p50", "µs", &[]),
    entry("sealing.p99", "sealing", "the same while six partitions are sealed, p99", "µs", &[]),
    entry("sealing.p999", "sealing", "the same while six partitions are sealed, p99.9", "µs", &[]),
    entry("e2e.p50", "latency", "end to end at 1,000 records/s, p50", "µs", &[AtMost(0.7, Who::KAFKA)]),
    entry("e2e.p99", "latency", "end to end at 1,000 records/s, p99", "µs", &[AtMost(0.3, Who::KAFKA)]),
    entry(
        "sync.p50",
        "latency",
        "one synchronous 1 KiB produce, p50",
        "µs",
        &[AtMostPlus(150.0, Who::Raw, "raw.p50")],
    ),
    entry("sync.p99", "latency", "one synchronous 1 KiB produce, p99", "µs", &[]),
    entry(
        "consume.hot.rate",
        "consume",
        "consume from the start, from memory or log",
        "MB/s",
        &[AtLeast(1.5, Who::KAFKA)],
    ),
    entry(
        "consume.hot.cpu",
        "consume",
        "consume from the start: broker CPU",
        "s/GB",
        &[AtMost(0.5, Who::KAFKA)],
    ),
    entry(
        "consume.archived.rate",
        "consume",
        "consume from the start, from cached Parquet",
        "MB/s",
        &[AtLeastOf(0.8, Who::KAFKA, "consume.hot.rate")],
    ),
    entry("consume.archived.cpu", "consume", "consume from cached Parquet: broker CPU", "s/GB", &[]),
    entry("seal.rate", "consume", "seal to Parquet, zstd-1, within the broker", "MB/s", &[]),
    entry("seal.cpu", "consume", "seal to Parquet, zstd-1: broker CPU", "s/GB", &[]),
];
