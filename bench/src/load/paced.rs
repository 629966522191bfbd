//! A fixed rate, whatever the broker does: latency counts from when a request was due, so one that
//! had to wait behind a slow one shows it ("open loop").

use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};
use bytes::Bytes;
use kafka_protocol::messages::FetchRequest;
use tidemill_records::{RecordBatch, Records};

use super::consume::{FETCH_VERSION, end_of, fetch_request, records_of};
use super::latency::Latencies;
use super::produce::{acknowledged, frame};
use super::wire::{Frame, Wire};

/// Most requests on their way; beyond it the load falls behind, and latency says so.
const MAX_ON_THEIR_WAY: usize = 4096;

/// When requests are due.
#[derive(Clone, Copy)]
pub struct Pace {
    start: Instant,
    period: Duration,
    count: u32,
}

impl Pace {
    /// `per_second` requests a second for so long, beginning a little later.
    pub fn new(per_second: u32, duration: Duration) -> Pace {
        let count = (duration.as_secs_f64() * f64::from(per_second)) as u32;
        let start = Instant::now() + Duration::from_millis(50);
        Pace { start, period: Duration::from_secs(1) / per_second, count }
    }

    fn due(&self, index: u32) -> Instant {
        self.start + self.period * index
    }

    /// When each request is due, each given when its time has come.
    pub fn turns(self) -> impl Iterator<Item = Instant> {
        (0..self.count).map(move |index| self.due(index)).inspect(|due| sleep_until(*due))
    }
}

/// Acknowledgement latency of requests with one batch each.
pub fn produce(addr: &str, topic: &str, pace: Pace, batch: Bytes) -> anyhow::Result<Latencies> {
    let mut sending = Wire::connect(addr)?;
    let mut receiving = sending.split()?;
    let mut template = frame(topic, 0, batch)?;
    std::thread::scope(|scope| {
        let (slots_in, slots_out) = sync_channel(MAX_ON_THEIR_WAY);
        let sender = scope.spawn(move || -> anyhow::Result<()> {
            for due in pace.turns() {
                slots_in.send(due)?;
                sending.send(&mut template)?;
            }
            Ok(())
        });
        let mut latencies = Latencies::default();
        for due in slots_out {
            acknowledged(&mut receiving)?;
            latencies.add(due.elapsed());
        }
        sender.join().map_err(|_| anyhow!("the sender panicked"))??;
        Ok(latencies)
    })
}

/// Where records go in, and where they come out.
#[derive(Clone, Copy)]
pub struct Route<'a> {
    /// Written to.
    pub input: &'a str,
    /// Read from; the same topic if nothing lies in between.
    pub output: &'a str,
    /// The batch of one record with this number, which is the record's key.
    pub record: &'a dyn Fn(u32) -> anyhow::Result<Bytes>,
}

/// Latency from when a record was due to be sent until a consumer, who reads committed records only,
/// has what became of it.
pub fn end_to_end(addr: &str, route: Route<'_>, pace: Pace) -> anyhow::Result<Latencies> {
    let frames = (0..pace.count)
        .map(|index| frame(route.input, 0, (route.record)(index)?))
        .collect::<anyhow::Result<Vec<Frame>>>()?;
    let from = end_of(addr, route.output)?;
    let pace = Pace { start: Instant::now() + Duration::from_millis(50), ..pace };
    std::thread::scope(|scope| {
        let consumer = scope.spawn(move || consume(addr, route.output, from, pace));
        let producer = scope.spawn(move || send_all(addr, pace, frames));
        producer.join().map_err(|_| anyhow!("the producer panicked"))??;
        consumer.join().map_err(|_| anyhow!("the consumer panicked"))?
    })
}

fn send_all(addr: &str, pace: Pace, mut frames: Vec<Frame>) -> anyhow::Result<()> {
    let mut sending = Wire::connect(addr)?;
    let mut receiving = sending.split()?;
    std::thread::scope(|scope| {
        let count = frames.len();
        let acks = scope.spawn(move || (0..count).try_for_each(|_| acknowledged(&mut receiving).map(drop)));
        for (_, frame) in pace.turns().zip(&mut frames) {
            sending.send(frame)?;
        }
        acks.join().map_err(|_| anyhow!("reading acknowledgements panicked"))?
    })
}

fn consume(addr: &str, topic: &str, from: i64, pace: Pace) -> anyhow::Result<Latencies> {
    let mut wire = Wire::connect(addr)?;
    let (mut latencies, mut offset, mut seen) = (Latencies::default(), from, 0);
    while seen < pace.count {
        let request = fetch_request(topic, 0, offset).with_isolation_level(1);
        let answer = wire.call::<FetchRequest>(&request, FETCH_VERSION)?;
        let now = Instant::now();
        let mut records = records_of(answer)?;
        while !records.is_empty() {
            let batch = RecordBatch::split(&mut records)?;
            offset = batch.next_offset();
            if batch.is_control() {
                continue;
            }
            for record in Records::new(batch.records_section(), batch.record_count()) {
                let key = record?.key.unwrap_or_default().to_vec();
                let index = u32::from_be_bytes(key.as_slice().try_into()?);
                ensure!(index == seen, "record {index} came where {seen} was next");
                latencies.add(now.saturating_duration_since(pace.due(index)));
                seen += 1;
            }
        }
    }
    Ok(latencies)
}

fn sleep_until(due: Instant) {
    let wait = due.saturating_duration_since(Instant::now());
    if !wait.is_zero() {
        std::thread::sleep(wait);
    }
}
