//! What is transformed.

use tidemill_codec_bench::payload::Size;

/// Records of one size, and the rows of its figures.
pub(super) struct Case {
    pub(super) size: Size,
    /// The function or application.
    pub(super) name: &'static str,
    pub(super) input: &'static str,
    pub(super) output: &'static str,
    /// A topic that nothing transforms.
    pub(super) plain: &'static str,
    pub(super) batches: u32,
    pub(super) records_per_batch: u32,
    pub(super) rate: &'static str,
    pub(super) cpu: &'static str,
    pub(super) p50: &'static str,
    pub(super) p99: &'static str,
}

impl Case {
    /// Records that are there before the program starts.
    pub(super) fn records(&self) -> i64 {
        i64::from(self.batches) * i64::from(self.records_per_batch)
    }
}

/// Batches of about 100 KiB.
pub(super) const CASES: [Case; 2] = [
    Case {
        size: Size::Small,
        name: "late-flights",
        input: "flights",
        output: "flights.late",
        plain: "flights.plain",
        batches: 2000,
        records_per_batch: 1000,
        rate: "transform.100.rate",
        cpu: "transform.100.cpu",
        p50: "transform.100.p50",
        p99: "transform.100.p99",
    },
    Case {
        size: Size::Large,
        name: "late-flights-1k",
        input: "flights-1k",
        output: "flights-1k.late",
        plain: "flights-1k.plain",
        batches: 5000,
        records_per_batch: 100,
        rate: "transform.1k.rate",
        cpu: "transform.1k.cpu",
        p50: "transform.1k.p50",
        p99: "transform.1k.p99",
    },
];
