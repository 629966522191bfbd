//! As much as fits into one partition, and into six.

use std::time::Duration;

use tidemill_codec_bench::payload;

use super::{Effort, Figures, mib};
use crate::load::saturate::{Load, saturate};
use crate::peer::Peer;

/// Records in a batch, about 1 KiB each.
pub(super) const RECORDS_PER_BATCH: usize = 64;
/// Before anything counts: Java compiles meanwhile.
const WARM_UP: Duration = Duration::from_secs(5);

pub(super) fn measure(peer: &mut Peer, effort: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    let batches = payload::batches(RECORDS_PER_BATCH)?;
    let load = |topic, partitions, duration| Load {
        addr: peer.addr(),
        topic,
        partitions,
        connections: partitions,
        duration,
        batches: &batches,
    };
    peer.create("warm-up", 1)?;
    saturate(&load("warm-up", 1, WARM_UP))?;
    for (topic, partitions, rate, cpu) in
        [("one", 1, "produce.1.rate", "produce.1.cpu"), ("six", 6, "produce.6.rate", "produce.6.cpu")]
    {
        peer.create(topic, partitions)?;
        let before = peer.usage()?;
        let done = saturate(&load(topic, partitions, effort.load))?;
        figures.add(rate, done.mb_per_s())?;
        figures.add(cpu, (peer.usage()?.cpu_s - before.cpu_s) / done.gb())?;
    }
    figures.add("memory.peak", mib(peer.usage()?.peak_resident_bytes))
}
