//! Functions, alone and end to end.

use super::Aim::{Above, AtLeast, AtMost};
use super::{Row, Table, Who, entry};

pub const TABLE: Table = Table {
    title: "Functions",
    preface: "First the host alone, records through a guest and back for each second of CPU time that the process \
              takes. Then a transform end to end, the example `late-flights`, exactly once: within our broker, and as \
              a Kafka Streams application (`bench/streams`, `exactly_once_v2`) beside Kafka, both together counted. \
              Of the first two million records (of 1 KiB half a million) the first quarter does not count; Java goes on \
              compiling for all of them, so what follows has rows of its own, \"later\". Added latency is the quantile \
              through the transform less that of plain records over the same broker.",
    columns: &[Who::TIDEMILL, Who::KAFKA],
    rows: ROWS,
};

const TIMES: &[super::Aim] = &[AtLeast(10.0, Who::KAFKA)];
const LATENCY: &[super::Aim] = &[AtMost(0.1, Who::KAFKA)];

const ROWS: &[Row] = &[
    entry("guest.copy", "functions", "host and guest, 100 B: identity", "million/CPU s", &[Above(12.0)]),
    entry(
        "guest.encode",
        "functions",
        "host and guest, 100 B: identity, decoded and encoded again",
        "million/CPU s",
        &[],
    ),
    entry(
        "guest.json",
        "functions",
        "host and guest, 100 B: serde_json filter",
        "million/CPU s",
        &[Above(2.0)],
    ),
    entry("guest.compile", "functions", "compile a module", "ms", &[]),
    entry("guest.call", "functions", "call with one record", "µs", &[]),
    entry("guest.instance", "functions", "call with one record, in a new instance", "µs", &[]),
    entry("transform.100.rate", "transform", "transform, 100 B", "records/s", &[]),
    entry("transform.100.cpu", "transform", "transform, 100 B: per CPU second", "records", TIMES),
    entry("transform.100.long.rate", "transform", "transform, 100 B, later", "records/s", &[]),
    entry("transform.100.long.cpu", "transform", "transform, 100 B, later: per CPU second", "records", TIMES),
    entry("transform.100.p50", "transform", "transform, 100 B at 1,000 records/s, added p50", "µs", LATENCY),
    entry("transform.100.p99", "transform", "transform, 100 B at 1,000 records/s, added p99", "µs", LATENCY),
    entry("transform.1k.rate", "transform", "transform, 1 KiB", "records/s", &[]),
    entry("transform.1k.cpu", "transform", "transform, 1 KiB: per CPU second", "records", TIMES),
    entry("transform.1k.long.rate", "transform", "transform, 1 KiB, later", "records/s", &[]),
    entry("transform.1k.long.cpu", "transform", "transform, 1 KiB, later: per CPU second", "records", TIMES),
    entry("transform.1k.p50", "transform", "transform, 1 KiB at 1,000 records/s, added p50", "µs", LATENCY),
    entry("transform.1k.p99", "transform", "transform, 1 KiB at 1,000 records/s, added p99", "µs", LATENCY),
];
