//! Consumers without a group that read every partition, from the tail and from the archive.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use super::reader::{Reader, positions_behind};
use super::{Run, all_partitions};
use crate::history::{Isolation, Partition};

const PATIENCE: Duration = Duration::from_millis(100);
const MOST: usize = 300;

/// Reads until told to stop, with one client after another.
pub(super) fn work(run: &Run, number: u64, isolation: Isolation) {
    let mut random = run.random("poller", number);
    let mut next: BTreeMap<_, _> = all_partitions().into_iter().map(|partition| (partition, 0)).collect();
    while run.is_reading() {
        let begin = |(partition, next): (&Partition, &i64)| {
            let offset = if random.random_bool(0.2) { 0 } else { *next };
            (partition.clone(), offset)
        };
        let positions = next.iter().map(begin).collect();
        if let Some(reader) = Reader::assigned(run, "poller", isolation, positions) {
            life(run, &reader, &mut random, &mut next);
        }
    }
}

fn life(run: &Run, reader: &Reader, random: &mut StdRng, next: &mut BTreeMap<Partition, i64>) {
    for _ in 0..random.random_range(20..120) {
        if !run.is_reading() {
            return;
        }
        let Ok(polled) = reader.poll(MOST, PATIENCE) else { return };
        next.extend(positions_behind(&polled));
        if random.random_bool(0.08) && !seek(reader, random, next) {
            return;
        }
    }
}

/// Goes back to anywhere in one partition.
fn seek(reader: &Reader, random: &mut StdRng, next: &BTreeMap<Partition, i64>) -> bool {
    let Some((partition, end)) = next.iter().nth(random.random_range(0..next.len())) else { return true };
    reader.seek(partition, random.random_range(0..=*end))
}
