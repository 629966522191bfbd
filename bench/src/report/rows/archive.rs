//! Parquet.

use super::Aim::AtMost;
use super::{Row, Table, Who, entry};

pub const TABLE: Table = Table {
    title: "Archive format",
    preface: "On one thread, without a broker. Sealing makes an archive object of record batches; raw is zstd-1 over \
              the same batches; DuckDB copies the same rows with the same columns from a table in its memory to \
              Parquet with zstd-1. Fetching makes record batches with checksums of the object again, 1 MiB each time; \
              raw is zstd and CRC over the same batches. Per GB of batches as they came.",
    columns: &[Who::TIDEMILL, Who::Raw, Who::DuckDb],
    rows: ROWS,
};

const SEAL: &[super::Aim] = &[AtMost(1.35, Who::Raw)];
const FETCH: &[super::Aim] = &[AtMost(1.5, Who::Raw)];

const ROWS: &[Row] = &[
    entry("codecs.1k.seal.cpu", "codecs", "seal 1 KiB JSON: CPU", "s/GB", SEAL),
    entry("codecs.1k.seal.rate", "codecs", "seal 1 KiB JSON", "MB/s", &[]),
    entry("codecs.1k.fetch.cpu", "codecs", "fetch archived 1 KiB JSON: CPU", "s/GB", FETCH),
    entry("codecs.1k.size", "codecs", "size of 1 KiB JSON", "% of the bytes", &[]),
    entry("codecs.100.seal.cpu", "codecs", "seal 100 B JSON: CPU", "s/GB", &[]),
    entry("codecs.100.seal.rate", "codecs", "seal 100 B JSON", "MB/s", &[]),
    entry("codecs.100.fetch.cpu", "codecs", "fetch archived 100 B JSON: CPU", "s/GB", &[]),
    entry("codecs.100.size", "codecs", "size of 100 B JSON", "% of the bytes", &[]),
    entry("codecs.noise.seal.cpu", "codecs", "seal 1 KiB noise: CPU", "s/GB", &[]),
    entry("codecs.noise.seal.rate", "codecs", "seal 1 KiB noise", "MB/s", &[]),
    entry("codecs.noise.fetch.cpu", "codecs", "fetch archived 1 KiB noise: CPU", "s/GB", &[]),
    entry("codecs.noise.size", "codecs", "size of 1 KiB noise", "% of the bytes", &[]),
];
