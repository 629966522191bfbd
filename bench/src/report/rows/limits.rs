//! What the machine allows.

use super::{Row, Table, Who, entry};

pub const TABLE: Table = Table {
    title: "The disk alone",
    preface: "One write of 1 KiB at the end of a file and one fdatasync, again and again: the least that an \
              acknowledgement after fsync can take.",
    columns: &[Who::Raw],
    rows: ROWS,
};

const ROWS: &[Row] = &[
    entry("raw.p50", "raw", "append 1 KiB and fdatasync, p50", "µs", &[]),
    entry("raw.p99", "raw", "append 1 KiB and fdatasync, p99", "µs", &[]),
];
