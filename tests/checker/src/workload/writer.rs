//! Transactions over several partitions and topics, and what clients do to them.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use super::client::TRANSACTION_TIMEOUT_MS;
use super::run::rest;
use super::sender::{Pending, Sender, settle};
use super::{Run, WRITTEN, partitions};

/// Longer than a transaction's timeout and the time until the broker looks at it.
const OVERSTAY: Duration = Duration::from_millis(TRANSACTION_TIMEOUT_MS as u64 + 1500);

/// Writes until told to stop, with one client after another under the same transactional id.
pub(super) fn work(run: &Run, number: u64) {
    let id = format!("writer-{number}");
    let mut random = run.random("writer", number);
    while run.is_writing() {
        let mut sender = Sender::transactional(run, "writer", &id, &mut random);
        for _ in 0..random.random_range(5..30) {
            let Some(current) = sender.filter(|_| run.is_writing()) else { break };
            sender = match random.random_range(0..100) {
                0..6 => usurped(run, current, &id, &mut random),
                6..70 => transaction(run, current, &mut random, End::Commit),
                70..90 => transaction(run, current, &mut random, End::Abort),
                90..93 => transaction(run, current, &mut random, End::Overstay),
                _ => transaction(run, current, &mut random, End::LeaveBehind),
            };
            rest(&mut random, 80);
        }
    }
}

/// How a transaction ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Commit,
    Abort,
    /// The client comes back to it when the broker has already ended it.
    Overstay,
    /// The client goes away, with records on their way.
    LeaveBehind,
}

/// One transaction; the client, if it can be used again.
fn transaction(run: &Run, sender: Sender, random: &mut StdRng, end: End) -> Option<Sender> {
    let number = sender.begin(run)?;
    let sent = records(run, &sender, random, number);
    match end {
        End::Commit | End::Overstay => {
            let certain = settle(sent);
            if end == End::Overstay {
                std::thread::sleep(OVERSTAY);
            }
            if !certain {
                return sender.abort(number).then_some(sender);
            }
            sender.commit(number).then_some(sender)
        }
        End::Abort => {
            // Some are aborted with records on their way.
            let aborted = if random.random_bool(0.5) {
                settle(sent);
                sender.abort(number)
            } else {
                let aborted = sender.abort(number);
                settle(sent);
                aborted
            };
            aborted.then_some(sender)
        }
        End::LeaveBehind => {
            drop(sender);
            settle(sent);
            None
        }
    }
}

fn records(run: &Run, sender: &Sender, random: &mut StdRng, number: u64) -> Vec<Pending> {
    let partitions = partitions(&WRITTEN);
    let count = random.random_range(1..10);
    let send = |_| {
        let partition = partitions.get(random.random_range(0..partitions.len()))?.clone();
        sender.send(run, random, Some(number), partition, None)
    };
    (0..count).filter_map(send).collect()
}

/// Another client takes the id in the middle of a transaction; the first goes on as if nothing had
/// happened, and tries to commit.
fn usurped(run: &Run, zombie: Sender, id: &str, random: &mut StdRng) -> Option<Sender> {
    let number = zombie.begin(run)?;
    settle(records(run, &zombie, random, number));
    let usurper = Sender::transactional(run, "usurper", id, random);
    if random.random_bool(0.5) {
        settle(records(run, &zombie, random, number));
    }
    zombie.commit(number);
    usurper
}
