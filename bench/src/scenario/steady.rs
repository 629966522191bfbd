//! Producing for so long that everything behind it happens as well: sealing and deletion of the log
//! on our side, deletion of segments on Kafka's.

use tidemill_codec_bench::payload;

use super::produce::RECORDS_PER_BATCH;
use super::{Effort, Figures};
use crate::load::saturate::{Load, saturate};
use crate::peer::Peer;

const PARTITIONS: i32 = 6;

pub(super) fn measure(peer: &mut Peer, effort: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    peer.create("steady", PARTITIONS)?;
    let batches = payload::batches(RECORDS_PER_BATCH)?;
    let load = Load {
        addr: peer.addr(),
        topic: "steady",
        partitions: PARTITIONS,
        connections: PARTITIONS,
        duration: effort.steady,
        batches: &batches,
    };
    let before = peer.usage()?;
    let mut done = saturate(&load)?;
    figures.add("steady.rate", done.mb_per_s())?;
    figures.add("steady.cpu", (peer.usage()?.cpu_s - before.cpu_s) / done.gb())?;
    figures.add("steady.p99", done.latencies.percentile(0.99))?;
    if let Some((broker, runtime)) = peer.tidemill() {
        let sealed = runtime.block_on(broker.metric("tidemill_seal_bytes_total", &[]))?;
        figures.add("steady.sealed", 100.0 * sealed / done.bytes as f64)?;
    }
    Ok(())
}
