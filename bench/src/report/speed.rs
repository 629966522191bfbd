//! How fast the machine is just now. What other guests of the same host take of a virtual one shows nowhere in its own
//! kernel's figures, so a small piece of the same work is timed around each turn.

use std::time::Instant;

use anyhow::Context;
use tidemill_codec_bench::archive::{RawCompressed, bytes_of};
use tidemill_codec_bench::payload::{Content, Size, partition};
use tidemill_records::RecordBatch;

use super::Spread;

/// 8 ms on a fast core, and more than its caches hold.
const BYTES: usize = 8 << 20;
const TIMES: usize = 5;

/// Compresses the same batches again and again.
pub struct Speedometer {
    batches: Vec<RecordBatch>,
    compressed: RawCompressed,
}

impl Speedometer {
    /// Makes its batches, and goes over them once.
    pub fn new() -> anyhow::Result<Speedometer> {
        let batches = partition(Content::Events(Size::Large), BYTES)?;
        let mut compressed = RawCompressed::default();
        compressed.fill(&batches)?;
        Ok(Speedometer { batches, compressed })
    }

    /// What zstd-1 compresses in a second on one core, in MB: the middle of several times.
    pub fn mb_per_s(&mut self) -> anyhow::Result<f64> {
        let mut speeds = [0.0; TIMES];
        for mb_per_s in &mut speeds {
            let started = Instant::now();
            self.compressed.fill(&self.batches)?;
            *mb_per_s = bytes_of(&self.batches) as f64 / 1e6 / started.elapsed().as_secs_f64();
        }
        Ok(Spread::of(&speeds).context("nothing was measured")?.median)
    }
}
