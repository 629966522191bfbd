//! Ten thousand partitions: making them, coming back with them, idling with them, writing to them all.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tidemill_codec_bench::payload;

use super::{Effort, Figures, mib};
use crate::load::produce::{acknowledged, frame_of};
use crate::load::wire::{Frame, Wire};
use crate::peer::Peer;

const TOPICS: usize = 1000;
const PARTITIONS: i32 = 10;
/// What starting left to do is not idling.
const SETTLE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(20);
/// Partitions that one request writes to, one record each.
const PER_REQUEST: usize = 64;
const IN_FLIGHT: usize = 5;

pub(super) fn measure(peer: &mut Peer, effort: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    let topics: Vec<String> = (0..TOPICS).map(|number| format!("many-{number}")).collect();
    let started = Instant::now();
    peer.create_all(&topics, PARTITIONS)?;
    figures.add("many.create", started.elapsed().as_secs_f64())?;
    let last = topics.last().map_or("", String::as_str);
    figures.add("many.restart", peer.restart(last)?.as_secs_f64())?;

    std::thread::sleep(SETTLE);
    let before = peer.usage()?;
    std::thread::sleep(IDLE);
    let after = peer.usage()?;
    figures.add("many.idle.cpu", 100.0 * (after.cpu_s - before.cpu_s) / IDLE.as_secs_f64())?;
    figures.add("many.idle.memory", mib(after.resident_bytes))?;
    figures.add("many.rate", round_robin(peer.addr(), &topics, effort.load)?)
}

/// Records a second of one producer that writes one record to each partition in turn.
fn round_robin(addr: &str, topics: &[String], duration: Duration) -> anyhow::Result<f64> {
    let record = payload::batch(1, 0)?;
    let places: Vec<(&str, i32)> =
        (0..PARTITIONS).flat_map(|p| topics.iter().map(move |topic| (topic.as_str(), p))).collect();
    let mut frames = places
        .chunks(PER_REQUEST)
        .map(|chunk| {
            let batches = chunk.iter().map(|(topic, partition)| (*topic, *partition, record.clone()));
            Ok((chunk.len(), frame_of(batches)?))
        })
        .collect::<anyhow::Result<Vec<(usize, Frame)>>>()?;
    let mut wire = Wire::connect(addr)?;
    let (mut records, mut on_their_way) = (0, VecDeque::new());
    let started = Instant::now();
    'load: loop {
        for (count, frame) in &mut frames {
            if started.elapsed() >= duration {
                break 'load;
            }
            if on_their_way.len() >= IN_FLIGHT {
                acknowledged(&mut wire)?;
                records += on_their_way.pop_front().unwrap_or(0);
            }
            wire.send(frame)?;
            on_their_way.push_back(*count);
        }
    }
    for count in on_their_way {
        acknowledged(&mut wire)?;
        records += count;
    }
    Ok(records as f64 / started.elapsed().as_secs_f64())
}
