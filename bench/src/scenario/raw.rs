//! The physical limit of an acknowledged produce: one write and one fdatasync.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use super::{Effort, Figures};
use crate::load::latency::Latencies;
use crate::peer::Peer;

const SAMPLES: u64 = 3000;

/// Appends 1 KiB and syncs, again and again, beside the broker's data.
pub(super) fn measure(peer: &mut Peer, _: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    let file = File::create(peer.dir().join("raw"))?;
    let block = [7_u8; 1024];
    let mut latencies = Latencies::default();
    for index in 0..SAMPLES {
        let started = Instant::now();
        file.write_all_at(&block, index * 1024)?;
        file.sync_data()?;
        latencies.add(started.elapsed());
    }
    figures.add("raw.p50", latencies.percentile(0.50))?;
    figures.add("raw.p99", latencies.percentile(0.99))
}
