//! Few partitions and many.

use super::Aim::{AtLeast, AtMost, Below, Within};
use super::{BROKERS, Row, Table, Who, entry};

pub const TABLE: Table = Table {
    title: "Partitions",
    preface: "The same bytes in batches of 16 KiB over one partition and over many, each an eighth of its time in \
              turn, so that how fast the machine is just then meets all alike; and ten thousand partitions. For the \
              latter Kafka gets `log.index.size.max.bytes=131072`: mapped index files of 10 MiB for each partition \
              would distort what it takes.",
    columns: BROKERS,
    rows: ROWS,
};

const FLAT_RATE: &[super::Aim] = &[Within(0.2, "flat.1.rate")];
const FLAT_P99: &[super::Aim] = &[Within(0.2, "flat.1.p99")];

const ROWS: &[Row] = &[
    entry("flat.1.rate", "flat", "produce over 1 partition", "MB/s", &[]),
    entry("flat.10.rate", "flat", "produce over 10 partitions", "MB/s", FLAT_RATE),
    entry("flat.100.rate", "flat", "produce over 100 partitions", "MB/s", FLAT_RATE),
    entry("flat.1000.rate", "flat", "produce over 1,000 partitions", "MB/s", FLAT_RATE),
    entry("flat.1.p99", "flat", "produce over 1 partition, p99", "µs", &[]),
    entry("flat.10.p99", "flat", "produce over 10 partitions, p99", "µs", FLAT_P99),
    entry("flat.100.p99", "flat", "produce over 100 partitions, p99", "µs", FLAT_P99),
    entry("flat.1000.p99", "flat", "produce over 1,000 partitions, p99", "µs", FLAT_P99),
    entry(
        "many.create",
        "partitions",
        "create 1,000 topics of 10 partitions",
        "s",
        &[AtMost(0.1, Who::KAFKA)],
    ),
    entry(
        "many.restart",
        "partitions",
        "restart with 10,000 partitions to ready",
        "s",
        &[AtMost(0.1, Who::KAFKA)],
    ),
    entry(
        "many.rate",
        "partitions",
        "one producer round-robin over 10,000 partitions",
        "records/s",
        &[AtLeast(10.0, Who::KAFKA_FLUSH), AtLeast(2.0, Who::KAFKA)],
    ),
    entry("many.idle.cpu", "partitions", "idle with 10,000 partitions: CPU", "% of a core", &[Below(0.5)]),
    entry(
        "many.idle.memory",
        "partitions",
        "idle with 10,000 partitions: resident memory",
        "MiB",
        &[Below(150.0)],
    ),
];
