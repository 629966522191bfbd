//! The partitions of a fetch session: what the client wants of each, what it was told last, and
//! which of them a fetch has to look at. No I/O, no clock.
//!
//! A partition is *due* when a look at it may find something: the client has just named it, records
//! came, its log start moved, or the last look left records or an error behind. A fetch looks at due
//! partitions only, so a session of ten thousand partitions costs what its busy ones cost.
//!
//! Partitions take turns: one that was answered with records goes behind all others, as in Kafka.

use std::collections::{BTreeSet, HashMap};

use crate::fetch::{FetchPartition, FetchedPartition, Isolation};
use crate::topics::TopicRef;

/// A partition's number inside its session. Free ones are given out again.
pub(crate) type Slot = usize;

struct Entry {
    asked: FetchPartition,
    /// Its place in the order; the lowest comes first.
    turn: u64,
    /// What the client knows; none where it was told nothing or of an error.
    told: Option<Told>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Told {
    high_watermark: i64,
    log_start_offset: i64,
}

/// All partitions of a session.
#[derive(Default)]
pub(crate) struct Partitions {
    entries: Vec<Option<Entry>>,
    free: Vec<Slot>,
    by_key: HashMap<(TopicRef, i32), Slot>,
    due: BTreeSet<(u64, Slot)>,
    next_turn: u64,
}

impl Partitions {
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Adds a partition, or changes what is wanted of it. It is due then.
    pub(crate) fn want(&mut self, asked: FetchPartition) {
        let known = self.by_key.get(&(asked.topic.clone(), asked.partition)).copied();
        if let Some(slot) = known {
            if let Some(Some(entry)) = self.entries.get_mut(slot) {
                entry.asked = asked;
            }
            self.mark_due(slot);
            return;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() - 1
        });
        self.by_key.insert((asked.topic.clone(), asked.partition), slot);
        let turn = self.take_turn();
        if let Some(place) = self.entries.get_mut(slot) {
            *place = Some(Entry { asked, turn, told: None });
        }
        self.due.insert((turn, slot));
    }

    /// Takes a partition out; answers its slot if there was one.
    pub(crate) fn forget(&mut self, topic: &TopicRef, partition: i32) -> Option<Slot> {
        let slot = self.by_key.remove(&(topic.clone(), partition))?;
        let entry = self.entries.get_mut(slot)?.take()?;
        self.due.remove(&(entry.turn, slot));
        self.free.push(slot);
        Some(slot)
    }

    /// A look at the partition may find something.
    pub(crate) fn mark_due(&mut self, slot: Slot) {
        if let Some(Some(entry)) = self.entries.get(slot) {
            self.due.insert((entry.turn, slot));
        }
    }

    /// As [`Partitions::mark_due`], for all.
    pub(crate) fn mark_all_due(&mut self) {
        let all = self.entries.iter().enumerate();
        self.due.extend(all.filter_map(|(slot, entry)| Some((entry.as_ref()?.turn, slot))));
    }

    /// What has to be looked at, in turn.
    pub(crate) fn due(&self) -> Vec<(Slot, FetchPartition)> {
        self.due.iter().filter_map(|(_, slot)| Some((*slot, self.asked(*slot)?.clone()))).collect()
    }

    /// What is wanted of a partition.
    pub(crate) fn asked(&self, slot: Slot) -> Option<&FetchPartition> {
        self.entries.get(slot)?.as_ref().map(|entry| &entry.asked)
    }

    /// A partition has been looked at, and this is going to be sent if the answer is yes: it has
    /// records, an error, or what the client does not know yet.
    pub(crate) fn looked_at(&mut self, slot: Slot, found: &FetchedPartition, isolation: Isolation) -> bool {
        let Some(Some(entry)) = self.entries.get_mut(slot) else {
            return false;
        };
        self.due.remove(&(entry.turn, slot));
        let failed = found.error.is_some() || found.diverging.is_some();
        let has_records = !found.batches.is_empty();
        let told = Told { high_watermark: found.high_watermark, log_start_offset: found.log_start_offset };
        let news = entry.told != Some(told);
        entry.told = Some(told).filter(|_| !failed);
        let end = match isolation {
            Isolation::ReadUncommitted => found.high_watermark,
            Isolation::ReadCommitted => found.last_stable_offset,
        };
        let more = failed || has_records || entry.asked.offset < end;
        if has_records {
            entry.turn = self.next_turn;
            self.next_turn += 1;
        }
        if more {
            self.due.insert((entry.turn, slot));
        }
        failed || has_records || news
    }

    fn take_turn(&mut self) -> u64 {
        let turn = self.next_turn;
        self.next_turn += 1;
        turn
    }
}

#[cfg(test)]
#[path = "partitions_tests.rs"]
mod tests;
