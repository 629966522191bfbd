//! A transform end to end: records in, late-flights, records out, exactly once. Ours is the example
//! function inside the broker; the peer is the same program as a Kafka Streams application.

mod ours;
mod streams;

use std::time::{Duration, Instant};

use bytes::Bytes;
use tidemill_records::{BatchBuilder, BatchFacts, Compression};

use super::{Effort, Figures};
use crate::load::paced::{self, Pace, Route};
use crate::load::payload;
use crate::load::produce::{acknowledged, frame};
use crate::load::wire::Wire;
use crate::peer::{Kind, Peer};

const INPUT: &str = "flights";
const OUTPUT: &str = "flights.late";
const BATCHES: usize = 2000;
const RECORDS_PER_BATCH: i32 = 1000;
const RECORDS: i64 = BATCHES as i64 * RECORDS_PER_BATCH as i64;
/// From here on it counts: compilers have seen the code.
const WARM: i64 = RECORDS / 4;

/// A program that transforms [`INPUT`] into [`OUTPUT`].
trait Application {
    /// How many records it is done with.
    fn position(&mut self, peer: &Peer) -> anyhow::Result<i64>;
    /// CPU seconds that it takes beside the broker.
    fn cpu_s(&self) -> anyhow::Result<f64>;
}

/// Starts the program over records that are there already and waits until it has caught up; then
/// sends records one by one.
pub(super) fn measure(peer: &mut Peer, effort: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    for topic in [INPUT, OUTPUT] {
        peer.create(topic, 1)?;
    }
    fill(peer)?;
    let mut application: Box<dyn Application> = match peer.kind {
        Kind::Tidemill => Box::new(ours::Function::deploy(peer)?),
        Kind::Kafka | Kind::KafkaFlush => Box::new(streams::Process::start(peer)?),
    };
    let (warm, warm_at) = reaches(application.as_mut(), peer, WARM)?;
    let before = peer.usage()?.cpu_s + application.cpu_s()?;
    let started = Instant::now();
    let (done, _) = reaches(application.as_mut(), peer, RECORDS)?;
    let records = (done - warm) as f64;
    let elapsed = started.duration_since(warm_at) + started.elapsed();
    figures.add("transform.rate", records / elapsed.as_secs_f64())?;
    figures.add("transform.cpu", records / (peer.usage()?.cpu_s + application.cpu_s()? - before))?;

    let route = Route { input: INPUT, output: OUTPUT, record: |number| flights(&[number]) };
    let mut latencies = paced::end_to_end(peer.addr(), route, Pace::new(1000, effort.load))?;
    figures.add("transform.p50", latencies.percentile(0.50))?;
    figures.add("transform.p99", latencies.percentile(0.99))
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

fn fill(peer: &Peer) -> anyhow::Result<()> {
    let mut wire = Wire::connect(peer.addr())?;
    let numbers: Vec<u32> = (0..RECORDS_PER_BATCH.unsigned_abs()).collect();
    let mut frame = frame(INPUT, 0, flights(&numbers)?)?;
    for _ in 0..BATCHES {
        wire.send(&mut frame)?;
        acknowledged(&mut wire)?;
    }
    Ok(())
}

/// Flights of about 100 bytes, keyed by their number. Alone, a flight is late; of many, 40 % are.
fn flights(numbers: &[u32]) -> anyhow::Result<Bytes> {
    let mut builder =
        BatchBuilder::new(BatchFacts { base_timestamp: payload::now_ms()?, ..BatchFacts::default() });
    for (delta, number) in (0..).zip(numbers) {
        let delay = if numbers.len() == 1 { 99 } else { number % 100 };
        let value = format!(
            r#"{{"year":2013,"month":1,"day":2,"dep_delay":{delay},"carrier":"UA","flight":{number},"origin":"EWR","dest":"IAH"}}"#,
        );
        builder.push(delta, 0, Some(&number.to_be_bytes()), Some(value.as_bytes()), &[]);
    }
    Ok(builder.build(Compression::None)?.into_bytes())
}
