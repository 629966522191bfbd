//! A transform end to end: records in, late-flights, records out, exactly once. Ours is the example
//! function inside the broker; the peer is the same program as a Kafka Streams application.

mod case;
mod ours;
mod streams;

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tidemill_codec_bench::payload::{self, Size};

use self::case::{CASES, Case};
use super::{Effort, Figures};
use crate::load::latency::Latencies;
use crate::load::paced::{self, Pace, Route};
use crate::load::produce::{acknowledged, frame};
use crate::load::wire::Wire;
use crate::peer::{Kind, Peer};

const PER_SECOND: u32 = 1000;

/// A program that transforms a case's input into its output.
trait Application {
    /// How many records it is done with.
    fn position(&mut self, peer: &Peer) -> anyhow::Result<i64>;
    /// CPU seconds that it takes beside the broker.
    fn cpu_s(&self) -> anyhow::Result<f64>;
}

pub(super) fn measure(peer: &mut Peer, effort: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    for case in &CASES {
        measure_case(peer, case, effort, figures)?;
    }
    Ok(())
}

/// Starts the program over records that are there already and waits until it has caught up; then
/// sends records one by one.
fn measure_case(peer: &Peer, case: &Case, effort: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    for topic in [case.input, case.output, case.plain] {
        peer.create(topic, 1)?;
    }
    fill(peer, case)?;
    let mut application: Box<dyn Application> = match peer.kind {
        Kind::Tidemill => Box::new(ours::Function::deploy(peer, case)?),
        Kind::Kafka | Kind::KafkaFlush => Box::new(streams::Process::start(peer, case)?),
    };
    let cpu_s = |application: &dyn Application| anyhow::Ok(peer.usage()?.cpu_s + application.cpu_s()?);
    let [first, _] = &case.parts;
    // From a quarter on it counts: compilers have seen the code.
    let (mut done, mut done_at) = reaches(application.as_mut(), peer, case.records(first) / 4)?;
    let mut used_s = cpu_s(application.as_ref())?;
    for part in &case.parts {
        let (from, from_at, from_s) = (done, done_at, used_s);
        (done, done_at) = reaches(application.as_mut(), peer, case.records(part))?;
        used_s = cpu_s(application.as_ref())?;
        let records = (done - from) as f64;
        figures.add(part.rate, records / (done_at - from_at).as_secs_f64())?;
        figures.add(part.cpu, records / (used_s - from_s))?;
    }

    let mut plain = latencies(peer, case, case.plain, case.plain, effort)?;
    let mut through = latencies(peer, case, case.input, case.output, effort)?;
    for (row, share) in [(case.p50, 0.50), (case.p99, 0.99)] {
        figures.add(row, through.percentile(share) - plain.percentile(share))?;
    }
    Ok(())
}

fn latencies(
    peer: &Peer,
    case: &Case,
    input: &str,
    output: &str,
    effort: Effort,
) -> anyhow::Result<Latencies> {
    let size = case.size;
    let record = |number| flights(&[number], size);
    paced::end_to_end(
        peer.addr(),
        Route { input, output, record: &record },
        Pace::new(PER_SECOND, effort.load),
    )
}

/// Waits until so many records are done; answers how many are, and when that was found.
fn reaches(application: &mut dyn Application, peer: &Peer, records: i64) -> anyhow::Result<(i64, Instant)> {
    let deadline = Instant::now() + Duration::from_secs(300);
    while Instant::now() < deadline {
        let done = application.position(peer)?;
        if done >= records {
            return Ok((done, Instant::now()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    anyhow::bail!("the transform did not get to record {records}")
}

fn fill(peer: &Peer, case: &Case) -> anyhow::Result<()> {
    let mut wire = Wire::connect(peer.addr())?;
    let numbers: Vec<u32> = (0..case.records_per_batch).collect();
    let mut frame = frame(case.input, 0, flights(&numbers, case.size)?)?;
    for _ in 0..case.last().batches {
        wire.send(&mut frame)?;
        acknowledged(&mut wire)?;
    }
    Ok(())
}

/// Flights, keyed by their number. Alone, a flight is late; of many, 40 % are.
fn flights(numbers: &[u32], size: Size) -> anyhow::Result<Bytes> {
    let mut random = StdRng::seed_from_u64(1);
    let values = numbers.iter().map(|number| {
        let delay = if numbers.len() == 1 { 99 } else { number % 100 };
        (*number, payload::flight(&mut random, *number, delay, size))
    });
    Ok(payload::batch_of(0, values)?.into_bytes())
}
