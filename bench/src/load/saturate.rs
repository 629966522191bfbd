//! As much as fits: each connection has a few requests on their way all the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use bytes::Bytes;

use super::latency::Latencies;
use super::produce::{acknowledged, frame};
use super::wire::{Frame, Wire};

/// Requests that each connection has on their way; Kafka's default for an idempotent producer.
const IN_FLIGHT: usize = 5;

/// What is to be done.
pub struct Load<'a> {
    /// Where.
    pub addr: &'a str,
    /// Into which topic.
    pub topic: &'a str,
    /// Into how many partitions.
    pub partitions: i32,
    /// Over how many connections; each serves every so-many-th partition, or several serve one.
    pub connections: i32,
    /// For how long.
    pub duration: Duration,
    /// The batches, in turn.
    pub batches: &'a [Bytes],
}

/// What came of it.
#[derive(Default)]
pub struct Done {
    /// Bytes of acknowledged batches.
    pub bytes: u64,
    /// From the first request until the last acknowledgement.
    pub elapsed: Duration,
    /// From sending a request until its acknowledgement.
    pub latencies: Latencies,
}

impl Done {
    /// Adds another measurement of the same.
    pub fn absorb(&mut self, other: Done) {
        self.bytes += other.bytes;
        self.elapsed += other.elapsed;
        self.latencies.absorb(other.latencies);
    }

    /// Throughput.
    pub fn mb_per_s(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.elapsed.as_secs_f64()
    }

    /// Billions of bytes.
    pub fn gb(&self) -> f64 {
        self.bytes as f64 / 1e9
    }
}

/// Produces.
pub fn saturate(load: &Load<'_>) -> anyhow::Result<Done> {
    let frames = (0..load.connections).map(|c| load.frames(c)).collect::<anyhow::Result<Vec<_>>>()?;
    let started = Instant::now();
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> =
            frames.into_iter().map(|frames| scope.spawn(move || connection(load, frames, started))).collect();
        let joined =
            threads.into_iter().map(|t| t.join().map_err(|_| anyhow!("a connection's thread panicked"))?);
        joined.collect::<anyhow::Result<Vec<_>>>()
    })?;
    let elapsed = started.elapsed();
    let mut done = Done { bytes: 0, elapsed, latencies: Latencies::default() };
    for (bytes, latencies) in parts {
        done.bytes += bytes;
        done.latencies.absorb(latencies);
    }
    Ok(done)
}

impl Load<'_> {
    /// Frames for a connection's partitions, with the size of the batch in each: every partition at
    /// least once, and every batch of this connection's share.
    fn frames(&self, connection: i32) -> anyhow::Result<Vec<(u64, Frame)>> {
        let served = |p: &i32| p % self.connections == connection || connection % self.partitions == *p;
        let own: Vec<i32> = (0..self.partitions).filter(served).collect();
        let share = self.batches.len() / usize::try_from(self.connections)?;
        let skipped = share * usize::try_from(connection)?;
        let batches = self.batches.iter().cycle().skip(skipped);
        let places = own.iter().cycle().take(share.max(own.len()));
        places
            .zip(batches)
            .map(|(partition, batch)| Ok((batch.len() as u64, frame(self.topic, *partition, batch.clone())?)))
            .collect()
    }
}

fn connection(
    load: &Load<'_>,
    mut frames: Vec<(u64, Frame)>,
    started: Instant,
) -> anyhow::Result<(u64, Latencies)> {
    let mut wire = Wire::connect(load.addr)?;
    let (mut bytes, mut latencies, mut on_their_way) = (0, Latencies::default(), VecDeque::new());
    let mut settle = |wire: &mut Wire, (size, sent): (u64, Instant)| -> anyhow::Result<()> {
        acknowledged(wire)?;
        latencies.add(sent.elapsed());
        bytes += size;
        Ok(())
    };
    'load: loop {
        for (size, frame) in &mut frames {
            if started.elapsed() >= load.duration {
                break 'load;
            }
            if on_their_way.len() >= IN_FLIGHT
                && let Some(oldest) = on_their_way.pop_front()
            {
                settle(&mut wire, oldest)?;
            }
            on_their_way.push_back((*size, Instant::now()));
            wire.send(frame)?;
        }
    }
    for oldest in on_their_way {
        settle(&mut wire, oldest)?;
    }
    Ok((bytes, latencies))
}
