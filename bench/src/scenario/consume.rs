//! Reading a topic from its start: hot, and (ours) after sealing, from the local cache of objects.

use std::time::Instant;

use anyhow::Context;
use tidemill_codec_bench::payload;
use tidemill_http_server::api::{ArchiveStatus, SealResult};

use super::produce::RECORDS_PER_BATCH;
use super::{Effort, Figures};
use crate::load::consume::consume;
use crate::load::produce::{acknowledged, frame};
use crate::load::wire::Wire;
use crate::peer::Peer;

const TOPIC: &str = "read";
/// 400 MB.
const ROUNDS: usize = 48;

pub(super) fn measure(peer: &mut Peer, _: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    let end = fill(peer)?;
    read(peer, end, "consume.hot.rate", "consume.hot.cpu", figures)?;
    if peer.tidemill().is_some() {
        seal(peer, figures)?;
        peer.restart(TOPIC)?;
        read(peer, end, "consume.archived.rate", "consume.archived.cpu", figures)?;
        all_archived(peer)?;
    }
    Ok(())
}

fn fill(peer: &Peer) -> anyhow::Result<i64> {
    peer.create(TOPIC, 1)?;
    let mut wire = Wire::connect(peer.addr())?;
    let batches = payload::batches(RECORDS_PER_BATCH)?;
    for batch in std::iter::repeat_n(&batches, ROUNDS).flatten() {
        wire.send(&mut frame(TOPIC, 0, batch.clone())?)?;
        acknowledged(&mut wire)?;
    }
    Ok(i64::try_from(ROUNDS * batches.len() * RECORDS_PER_BATCH)?)
}

/// Reads twice; the second time counts, when caches are warm on either side.
fn read(
    peer: &Peer,
    end: i64,
    rate: &'static str,
    cpu: &'static str,
    figures: &mut Figures<'_>,
) -> anyhow::Result<()> {
    consume(peer.addr(), TOPIC, end)?;
    let before = peer.usage()?;
    let read = consume(peer.addr(), TOPIC, end)?;
    figures.add(rate, read.mb_per_s())?;
    figures.add(cpu, (peer.usage()?.cpu_s - before.cpu_s) / read.gb())
}

fn seal(peer: &Peer, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    let (broker, runtime) = peer.tidemill().context("only ours seals")?;
    let (before, started) = (peer.usage()?, Instant::now());
    let sealing = format!("/v1/archive/{TOPIC}/seal?wait=true");
    let _: SealResult = runtime.block_on(broker.post(&sealing, &()))?;
    let (elapsed, cpu_s) = (started.elapsed().as_secs_f64(), peer.usage()?.cpu_s - before.cpu_s);
    let status = format!("/v1/archive/{TOPIC}?files=true");
    let status: ArchiveStatus = runtime.block_on(broker.get(&status))?;
    let objects = status.partitions.iter().flat_map(|part| &part.objects);
    let raw_bytes: u64 = objects.map(|object| object.raw_bytes).sum();
    figures.add("seal.rate", raw_bytes as f64 / 1e6 / elapsed)?;
    figures.add("seal.cpu", cpu_s / (raw_bytes as f64 / 1e9))
}

/// Fails unless everything that was read since the restart came from the archive.
fn all_archived(peer: &Peer) -> anyhow::Result<()> {
    let (broker, runtime) = peer.tidemill().context("only ours has an archive")?;
    let labels = [&*format!("topic=\"{TOPIC}\""), "source=\"hot\""];
    let hot = runtime.block_on(broker.metric("tidemill_fetch_bytes_total", &labels))?;
    anyhow::ensure!(hot == 0.0, "{hot} bytes came from the log");
    Ok(())
}
