//! What the machine allows.

use super::{Row, Table, Who, entry};

pub const TABLE: Table = Table {
    title: "The disk and the machine alone",
    preface: "One write of 1 KiB at the end of a file and one fdatasync, again and again: the least that an \
              acknowledgement after fsync can take. And 12 KiB each millisecond over blocks written before, counted \
              from when they were due: the least that a broker on this disk can take at 10,000 records/s, for \
              itself and without a network. Where that is more than an aim allows, no broker that answers after \
              fsync meets it here. Meanwhile a thread that does nothing but sleep for 1 ms, again and again: what it is \
              late by at worst is what the machine, a virtual one, adds now and then to any row of latency. Last, right \
              before brokers produce, the most that the disk takes in with fsync before each answer: writes of 512 KiB \
              past the page cache, two at a time, over space of a new file that is only reserved, as a log that grows \
              has it, and over the same blocks again. No broker that answers after fsync \
              takes in more; one that answers from memory is not bound by it.",
    columns: &[Who::Raw],
    rows: ROWS,
};

const ROWS: &[Row] = &[
    entry("raw.p50", "raw", "append 1 KiB and fdatasync, p50", "µs", &[]),
    entry("raw.p99", "raw", "append 1 KiB and fdatasync, p99", "µs", &[]),
    entry("raw.paced.p50", "raw", "12 KiB and fdatasync each ms, p50", "µs", &[]),
    entry("raw.paced.p99", "raw", "12 KiB and fdatasync each ms, p99", "µs", &[]),
    entry("raw.paced.p999", "raw", "12 KiB and fdatasync each ms, p99.9", "µs", &[]),
    entry("raw.sleep.p50", "raw", "a sleep of 1 ms meanwhile: too long by, p50", "µs", &[]),
    entry("raw.sleep.p999", "raw", "a sleep of 1 ms meanwhile: too long by, p99.9", "µs", &[]),
    entry("raw.sleep.max", "raw", "a sleep of 1 ms meanwhile: too long by, the most", "µs", &[]),
    entry("disk.reserved", "disk", "512 KiB and fdatasync, two at a time, over reserved space", "MB/s", &[]),
    entry("disk.written", "disk", "512 KiB and fdatasync, two at a time, over written blocks", "MB/s", &[]),
];
