//! Members of a group that copy what they read, records and positions in one transaction.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use super::reader::{Polled, Reader, positions_before, positions_behind};
use super::run::rest;
use super::sender::{Sender, settle};
use super::{COPIERS, ORDERS, Run, WRITTEN, partitions};

const PATIENCE: Duration = Duration::from_millis(150);

/// Copies until told to stop, with one pair of clients after another.
pub(super) fn work(run: &Run, number: u64) {
    let id = format!("copier-{number}");
    let mut random = run.random("copier", number);
    while run.is_writing() {
        let reader = Reader::member(run, "copier", COPIERS, &[ORDERS]);
        let sender = Sender::transactional(run, "copier", &id, &mut random);
        if let (Some(reader), Some(sender)) = (reader, sender) {
            life(run, &reader, &sender, &mut random);
        }
    }
}

/// Copies until something is uncertain, or it is time to be replaced.
fn life(run: &Run, reader: &Reader, sender: &Sender, random: &mut StdRng) {
    for _ in 0..random.random_range(20..150) {
        if !run.is_writing() {
            return;
        }
        let Ok(polled) = reader.poll(random.random_range(1..25), PATIENCE) else { return };
        if !polled.is_empty() && !copy(run, reader, sender, &polled, random) {
            return;
        }
        rest(random, 30);
    }
}

/// One transaction; whether the clients can go on.
fn copy(run: &Run, reader: &Reader, sender: &Sender, polled: &Polled, random: &mut StdRng) -> bool {
    let Some(number) = sender.begin(run) else { return false };
    let targets = partitions(&WRITTEN);
    let mut copies = Vec::new();
    for (partition, record) in polled {
        // Copies of a partition go to one partition, so that their order can be seen.
        let Some(target) = targets.get(partition.1.unsigned_abs() as usize % targets.len()) else {
            return false;
        };
        copies.extend(sender.send(run, random, Some(number), target.clone(), Some(record.value)));
    }
    let complete = copies.len() == polled.len();
    let certain = settle(copies) && complete;
    let Some(member) = reader.group_metadata() else { return false };
    let moved = certain && sender.send_offsets(number, COPIERS, &positions_behind(polled), &member);
    if random.random_bool(0.03) {
        // Left behind, for the next client to end.
        return false;
    }
    if moved && random.random_bool(0.8) {
        return sender.commit(number);
    }
    let again = positions_before(polled);
    sender.abort(number) && again.iter().all(|(partition, offset)| reader.seek(partition, *offset))
}
