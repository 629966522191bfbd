//! What Kafka's own programs say.

use super::{BROKERS, Row, Table, entry};

pub const TABLE: Table = Table {
    title: "Kafka's own tools",
    preface: "`ProducerPerformance`, `ConsumerPerformance` and `EndToEndLatency` with their default settings and \
              records of 1 KiB, one partition. No ratio is taken of these: most of what they measure is themselves, on \
              the cores that the broker needs, too.",
    columns: BROKERS,
    rows: ROWS,
};

const ROWS: &[Row] = &[
    entry("tools.produce.rate", "tools", "ProducerPerformance", "MB/s", &[]),
    entry("tools.produce.p50", "tools", "ProducerPerformance, p50", "ms", &[]),
    entry("tools.produce.p99", "tools", "ProducerPerformance, p99", "ms", &[]),
    entry("tools.consume.rate", "tools", "ConsumerPerformance, while it fetches", "MB/s", &[]),
    entry("tools.e2e.mean", "tools", "EndToEndLatency, mean", "ms", &[]),
    entry("tools.e2e.p99", "tools", "EndToEndLatency, p99", "ms", &[]),
];
