//! Does it matter over how many partitions the same bytes are spread?

use std::time::Duration;

use tidemill_codec_bench::payload;

use super::{Effort, Figures};
use crate::load::saturate::{Load, saturate};
use crate::peer::Peer;

const CONNECTIONS: i32 = 4;
/// Of 16 KiB, Kafka's default batch size.
const RECORDS_PER_BATCH: usize = 16;
const WARM_UP: Duration = Duration::from_secs(5);
const STEPS: [(i32, &str, &str, &str); 4] = [
    (1, "flat-1", "flat.1.rate", "flat.1.p99"),
    (10, "flat-10", "flat.10.rate", "flat.10.p99"),
    (100, "flat-100", "flat.100.rate", "flat.100.p99"),
    (1000, "flat-1000", "flat.1000.rate", "flat.1000.p99"),
];

pub(super) fn measure(peer: &mut Peer, effort: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    let batches = payload::batches(RECORDS_PER_BATCH)?;
    for (partitions, topic, rate, p99) in STEPS {
        peer.create(topic, partitions)?;
        let load = |duration| Load {
            addr: peer.addr(),
            topic,
            partitions,
            connections: CONNECTIONS,
            duration,
            batches: &batches,
        };
        saturate(&load(WARM_UP))?;
        let mut done = saturate(&load(effort.load))?;
        figures.add(rate, done.mb_per_s())?;
        figures.add(p99, done.latencies.percentile(0.99))?;
    }
    Ok(())
}
