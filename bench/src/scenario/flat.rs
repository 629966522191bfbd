//! Does it matter over how many partitions the same bytes are spread?

use std::time::Duration;

use tidemill_codec_bench::payload;

use super::{Effort, Figures};
use crate::load::saturate::{Done, Load, saturate};
use crate::peer::Peer;

const CONNECTIONS: i32 = 4;
/// Of 16 KiB, Kafka's default batch size.
const RECORDS_PER_BATCH: usize = 16;
const WARM_UP: Duration = Duration::from_secs(5);
/// In how many parts each is measured, all in turn: one after another, whatever slows the machine down for some seconds
/// would pass for an effect of the partitions.
const TURNS: u32 = 8;

/// A number of partitions, and the rows of its figures.
struct Step {
    partitions: i32,
    topic: &'static str,
    rate: &'static str,
    p99: &'static str,
}

const STEPS: [Step; 4] = [
    Step { partitions: 1, topic: "flat-1", rate: "flat.1.rate", p99: "flat.1.p99" },
    Step { partitions: 10, topic: "flat-10", rate: "flat.10.rate", p99: "flat.10.p99" },
    Step { partitions: 100, topic: "flat-100", rate: "flat.100.rate", p99: "flat.100.p99" },
    Step { partitions: 1000, topic: "flat-1000", rate: "flat.1000.rate", p99: "flat.1000.p99" },
];

pub(super) fn measure(peer: &mut Peer, effort: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    let batches = payload::batches(RECORDS_PER_BATCH)?;
    let peer: &Peer = peer;
    let load = |step: &Step, duration| {
        saturate(&Load {
            addr: peer.addr(),
            topic: step.topic,
            partitions: step.partitions,
            connections: CONNECTIONS,
            duration,
            batches: &batches,
        })
    };
    for step in &STEPS {
        peer.create(step.topic, step.partitions)?;
        load(step, WARM_UP)?;
    }
    let mut all: [Done; STEPS.len()] = Default::default();
    for _ in 0..TURNS {
        for (step, done) in STEPS.iter().zip(&mut all) {
            done.absorb(load(step, effort.load / TURNS)?);
        }
    }
    for (step, mut done) in STEPS.iter().zip(all) {
        figures.add(step.rate, done.mb_per_s())?;
        figures.add(step.p99, done.latencies.percentile(0.99))?;
    }
    Ok(())
}
