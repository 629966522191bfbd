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
    pub(super) records_per_batch: u32,
    /// In the order of the input.
    pub(super) parts: [Part; 2],
    pub(super) p50: &'static str,
    pub(super) p99: &'static str,
}

/// A part of the input that is measured by itself: the first while the peer's compiler is still at work, as it is in the
/// first seconds of any application, the second when it is done.
pub(super) struct Part {
    /// Batches before its end.
    pub(super) batches: u32,
    pub(super) rate: &'static str,
    pub(super) cpu: &'static str,
}

impl Case {
    /// Records before a part's end.
    pub(super) fn records(&self, part: &Part) -> i64 {
        i64::from(part.batches) * i64::from(self.records_per_batch)
    }

    /// The part at whose end the input ends; all of it is there before the program starts.
    pub(super) fn last(&self) -> &Part {
        let [_, last] = &self.parts;
        last
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
        records_per_batch: 1000,
        parts: [
            Part { batches: 2000, rate: "transform.100.rate", cpu: "transform.100.cpu" },
            Part { batches: 5000, rate: "transform.100.long.rate", cpu: "transform.100.long.cpu" },
        ],
        p50: "transform.100.p50",
        p99: "transform.100.p99",
    },
    Case {
        size: Size::Large,
        name: "late-flights-1k",
        input: "flights-1k",
        output: "flights-1k.late",
        plain: "flights-1k.plain",
        records_per_batch: 100,
        parts: [
            Part { batches: 5000, rate: "transform.1k.rate", cpu: "transform.1k.cpu" },
            Part { batches: 15_000, rate: "transform.1k.long.rate", cpu: "transform.1k.long.cpu" },
        ],
        p50: "transform.1k.p50",
        p99: "transform.1k.p99",
    },
];
