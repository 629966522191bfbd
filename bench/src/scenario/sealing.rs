//! How long a producer waits while other partitions are sealed: what sealing takes of the cores and of the disk
//! is in its way.

use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use tidemill_codec_bench::payload;
use tidemill_http_server::api::SealResult;

use super::latency::{RECORDS_PER_REQUEST, REQUESTS_PER_SECOND};
use super::produce::RECORDS_PER_BATCH;
use super::{Effort, Figures};
use crate::load::latency::Latencies;
use crate::load::paced::{self, Pace};
use crate::load::saturate::{Load, saturate};
use crate::peer::Peer;

const PARTITIONS: i32 = 6;
/// Sealing is looked at after each step.
const STEP: Duration = Duration::from_secs(1);

pub(super) fn measure(peer: &mut Peer, effort: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    for (topic, partitions) in [("old", PARTITIONS), ("paced", 1)] {
        peer.create(topic, partitions)?;
    }
    saturate(&Load {
        addr: peer.addr(),
        topic: "old",
        partitions: PARTITIONS,
        connections: PARTITIONS,
        duration: effort.load,
        batches: &payload::batches(RECORDS_PER_BATCH)?,
    })?;
    let (broker, runtime) = peer.tidemill().context("only ours seals")?;
    let batch = payload::batch(RECORDS_PER_REQUEST, 0)?;
    let mut waited = Latencies::default();
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let sealing = scope.spawn(|| runtime.block_on(broker.post("/v1/archive/old/seal?wait=true", &())));
        while !sealing.is_finished() {
            let pace = Pace::new(REQUESTS_PER_SECOND, STEP);
            waited.absorb(paced::produce(peer.addr(), "paced", pace, batch.clone())?);
        }
        let sealed: SealResult = sealing.join().map_err(|_| anyhow!("sealing panicked"))??;
        ensure!(sealed.complete, "not everything was sealed");
        Ok(())
    })?;
    let rows = [("sealing.p50", 0.5), ("sealing.p99", 0.99), ("sealing.p999", 0.999)];
    figures.add_percentiles(figures.who, &mut waited, &rows)
}
