//! Idempotent producers without transactions.

use rand::RngExt;
use rand::rngs::StdRng;

use super::run::rest;
use super::sender::{Sender, settle};
use super::{ORDERS, Run, partitions};

/// Sends until told to stop, with one client after another.
pub(super) fn work(run: &Run, number: u64) {
    let mut random = run.random("plain", number);
    while run.is_writing() {
        if let Some(sender) = Sender::plain(run, "plain", &mut random) {
            life(run, sender, &mut random);
        }
    }
}

/// A client's bursts, until it is replaced; half of them leave records on their way.
fn life(run: &Run, sender: Sender, random: &mut StdRng) {
    let partitions = partitions(&[ORDERS]);
    for _ in 0..random.random_range(5..60) {
        let burst: Vec<_> = (0..random.random_range(1..16))
            .filter_map(|_| {
                let partition = partitions.get(random.random_range(0..partitions.len()))?.clone();
                sender.send(run, random, None, partition, None)
            })
            .collect();
        if !run.is_writing() || burst.is_empty() {
            settle(burst);
            return;
        }
        if random.random_bool(0.05) {
            drop(sender);
            settle(burst);
            return;
        }
        settle(burst);
        rest(random, 40);
    }
}
