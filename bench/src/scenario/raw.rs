//! The physical limit of an acknowledged produce: one write and one fdatasync.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use super::{Effort, Figures};
use crate::load::latency::Latencies;
use crate::report::Who;

const SAMPLES: u64 = 3000;

/// Appends 1 KiB and syncs, again and again, where the brokers' data will be.
pub(super) fn measure(dir: &Path, _: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    let path = dir.join("raw");
    let file = File::create(&path)?;
    let block = [7_u8; 1024];
    let mut latencies = Latencies::default();
    for index in 0..SAMPLES {
        let started = Instant::now();
        file.write_all_at(&block, index * 1024)?;
        file.sync_data()?;
        latencies.add(started.elapsed());
    }
    std::fs::remove_file(path)?;
    figures.add_of(Who::Raw, "raw.p50", latencies.percentile(0.50))?;
    figures.add_of(Who::Raw, "raw.p99", latencies.percentile(0.99))
}
