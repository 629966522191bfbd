//! How long a producer and a consumer wait.

use std::time::{Duration, Instant};

use tidemill_codec_bench::payload;

use super::{Effort, Figures};
use crate::load::latency::Latencies;
use crate::load::paced::{self, Pace, Route};
use crate::load::produce::{acknowledged, frame};
use crate::load::wire::Wire;
use crate::peer::Peer;

/// What a producer makes of 10,000 records a second in a millisecond.
pub(super) const RECORDS_PER_REQUEST: usize = 10;
pub(super) const REQUESTS_PER_SECOND: u32 = 1000;
const SYNCHRONOUS: usize = 3000;
/// Before anything counts: Java compiles meanwhile.
const WARM_UP: Duration = Duration::from_secs(10);

pub(super) fn measure(peer: &mut Peer, effort: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    let addr = peer.addr();
    for topic in ["paced", "end-to-end", "synchronous"] {
        peer.create(topic, 1)?;
    }
    let batch = payload::batch(RECORDS_PER_REQUEST, 0)?;
    paced::produce(addr, "paced", Pace::new(REQUESTS_PER_SECOND, WARM_UP), batch.clone())?;
    let mut paced = paced::produce(addr, "paced", Pace::new(REQUESTS_PER_SECOND, effort.latency), batch)?;
    let who = figures.who;
    let rows = [("paced.p50", 0.5), ("paced.p99", 0.99), ("paced.p999", 0.999)];
    figures.add_percentiles(who, &mut paced, &rows)?;

    let route = Route { input: "end-to-end", output: "end-to-end", record: &payload::single };
    let mut both = paced::end_to_end(addr, route, Pace::new(1000, effort.latency))?;
    figures.add_percentiles(who, &mut both, &[("e2e.p50", 0.5), ("e2e.p99", 0.99)])?;

    let mut alone = synchronous(addr)?;
    figures.add_percentiles(who, &mut alone, &[("sync.p50", 0.5), ("sync.p99", 0.99)])
}

fn synchronous(addr: &str) -> anyhow::Result<Latencies> {
    let mut wire = Wire::connect(addr)?;
    let mut frame = frame("synchronous", 0, payload::batch(1, 0)?)?;
    let mut latencies = Latencies::default();
    for _ in 0..SYNCHRONOUS {
        let started = Instant::now();
        wire.send(&mut frame)?;
        acknowledged(&mut wire)?;
        latencies.add(started.elapsed());
    }
    Ok(latencies)
}
