//! Idempotent producers of one partition, by the rules of Kafka's ProducerStateManager.
//!
//! Per producer the last five batches are kept. A batch with the exact epoch and sequence range of
//! one of them is a retry. Otherwise its epoch must not be older than the producer's; a new epoch
//! begins at sequence 0; the same epoch goes on where it stopped, wrapping from `i32::MAX` to 0. A
//! producer not known here (new, expired, or pushed out by the bound) may begin anywhere, as since
//! Kafka 2.4 (KIP-360).
//!
//! Time is the one stamped on commands. An expired producer counts as unknown at once; it is
//! removed when the partition next sweeps, which is part of the state and so deterministic.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tidemill_records::BatchHeader;

use crate::Rejection;
use crate::limits::{MAX_PRODUCERS, PRODUCER_BATCHES, PRODUCER_EXPIRY_MS, PRODUCER_SWEEP_MS};

/// What an operator may see of a producer (Kafka's DescribeProducers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerSummary {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The last sequence number it wrote.
    pub last_sequence: i32,
    /// When it last wrote, by the proposer's clock.
    pub last_seen_ms: i64,
}

/// One batch a producer wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BatchMark {
    last_sequence: i32,
    last_offset: i64,
    offset_delta: i32,
}

impl BatchMark {
    pub(crate) fn base_offset(&self) -> i64 {
        self.last_offset.saturating_sub(i64::from(self.offset_delta))
    }

    pub(crate) fn next_offset(&self) -> i64 {
        self.last_offset.saturating_add(1)
    }
}

/// What is known of one producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Producer {
    epoch: i16,
    last_seen_ms: i64,
    len: u8,
    marks: [BatchMark; PRODUCER_BATCHES],
}

/// A producer's row in a checkpoint.
#[derive(Serialize, Deserialize)]
pub(crate) struct ProducerRow {
    epoch: i16,
    last_seen_ms: i64,
    marks: Vec<BatchMark>,
}

impl Producer {
    fn new(epoch: i16) -> Self {
        Self { epoch, last_seen_ms: i64::MIN, len: 0, marks: [BatchMark::default(); PRODUCER_BATCHES] }
    }

    fn marks(&self) -> &[BatchMark] {
        self.marks.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The batch this one is a retry of.
    pub(crate) fn duplicate_of(&self, batch: &BatchHeader) -> Option<BatchMark> {
        if batch.producer_epoch != self.epoch {
            return None;
        }
        let last_sequence = advance(batch.base_sequence, batch.last_offset_delta);
        self.marks()
            .iter()
            .find(|mark| mark.last_sequence == last_sequence && mark.offset_delta == batch.last_offset_delta)
            .copied()
    }

    /// Whether the batch may follow. `None` stands for a producer that is not known.
    pub(crate) fn check(known: Option<&Self>, batch: &BatchHeader) -> Result<(), Rejection> {
        let Some(known) = known else {
            return Ok(());
        };
        let producer_id = batch.producer_id;
        if batch.producer_epoch < known.epoch {
            let (epoch, current) = (batch.producer_epoch, known.epoch);
            return Err(Rejection::InvalidProducerEpoch { producer_id, epoch, current });
        }
        let expected = match known.marks().last() {
            Some(last) if batch.producer_epoch == known.epoch => advance(last.last_sequence, 1),
            _ => 0,
        };
        if batch.base_sequence != expected {
            let sequence = batch.base_sequence;
            return Err(Rejection::OutOfOrderSequence { producer_id, sequence, expected });
        }
        Ok(())
    }

    /// The producer after the batch at `base_offset`.
    pub(crate) fn after(known: Option<&Self>, batch: &BatchHeader, base_offset: i64, now_ms: i64) -> Self {
        let mut producer = match known {
            Some(known) if known.epoch == batch.producer_epoch => known.clone(),
            Some(known) => Self { last_seen_ms: known.last_seen_ms, ..Self::new(batch.producer_epoch) },
            None => Self::new(batch.producer_epoch),
        };
        producer.last_seen_ms = producer.last_seen_ms.max(now_ms);
        producer.push(BatchMark {
            last_sequence: advance(batch.base_sequence, batch.last_offset_delta),
            last_offset: base_offset.saturating_add(i64::from(batch.last_offset_delta)),
            offset_delta: batch.last_offset_delta,
        });
        producer
    }

    fn push(&mut self, mark: BatchMark) {
        if usize::from(self.len) == PRODUCER_BATCHES {
            self.marks.rotate_left(1);
            self.len -= 1;
        }
        if let Some(slot) = self.marks.get_mut(usize::from(self.len)) {
            *slot = mark;
            self.len += 1;
        }
    }

    fn expired(&self, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.last_seen_ms) >= PRODUCER_EXPIRY_MS
    }

    pub(crate) fn row(&self) -> ProducerRow {
        ProducerRow { epoch: self.epoch, last_seen_ms: self.last_seen_ms, marks: self.marks().to_vec() }
    }

    pub(crate) fn from_row(row: &ProducerRow) -> Self {
        let mut producer = Self::new(row.epoch);
        producer.last_seen_ms = row.last_seen_ms;
        for mark in &row.marks {
            producer.push(*mark);
        }
        producer
    }
}

/// All producers of a partition; no allocation while there are none.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    table: Option<Box<Table>>,
}

/// Sorted by id: most partitions have one or two producers, and ids are handed out in rising order,
/// so this is far smaller than a map and as fast.
#[derive(Debug, Default)]
struct Table {
    producers: Vec<(i64, Producer)>,
    sweep_at_ms: i64,
}

impl Producers {
    /// The producer, unless unknown or expired.
    pub(crate) fn get(&self, producer_id: i64, now_ms: i64) -> Option<&Producer> {
        self.entry(producer_id).filter(|producer| !producer.expired(now_ms))
    }

    /// The producer, expired or not.
    pub(crate) fn entry(&self, producer_id: i64) -> Option<&Producer> {
        let table = self.table.as_ref()?;
        let at = table.find(producer_id).ok()?;
        table.producers.get(at).map(|(_, producer)| producer)
    }

    /// When the next sweep is due.
    pub(crate) fn sweep_at_ms(&self) -> i64 {
        self.table.as_ref().map_or(0, |table| table.sweep_at_ms)
    }

    pub(crate) fn set_sweep_at_ms(&mut self, sweep_at_ms: i64) {
        if sweep_at_ms != 0 || self.table.is_some() {
            self.table.get_or_insert_default().sweep_at_ms = sweep_at_ms;
        }
    }

    /// Stores a producer. Answers which others had to go.
    pub(crate) fn put(&mut self, producer_id: i64, producer: Producer, now_ms: i64) -> Vec<i64> {
        let table = self.table.get_or_insert_default();
        if !table.set(producer_id, producer) {
            return Vec::new();
        }
        let mut removed = Vec::new();
        if now_ms >= table.sweep_at_ms {
            table.sweep_at_ms = now_ms.saturating_add(PRODUCER_SWEEP_MS);
            table.remove_expired(now_ms, &mut removed);
        }
        if table.producers.len() > MAX_PRODUCERS {
            table.remove_silent(producer_id, &mut removed);
        }
        removed
    }

    pub(crate) fn restore(&mut self, producer_id: i64, producer: Producer) {
        self.table.get_or_insert_default().set(producer_id, producer);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = ProducerSummary> + '_ {
        self.table.iter().flat_map(|table| &table.producers).map(|(id, producer)| ProducerSummary {
            producer_id: *id,
            epoch: producer.epoch,
            last_sequence: producer.marks().last().map_or(-1, |mark| mark.last_sequence),
            last_seen_ms: producer.last_seen_ms,
        })
    }
}

impl Table {
    fn find(&self, producer_id: i64) -> Result<usize, usize> {
        self.producers.binary_search_by_key(&producer_id, |(id, _)| *id)
    }

    /// Whether the producer is new.
    fn set(&mut self, producer_id: i64, producer: Producer) -> bool {
        match self.find(producer_id) {
            Ok(at) => {
                if let Some((_, known)) = self.producers.get_mut(at) {
                    *known = producer;
                }
                false
            }
            Err(at) => {
                if self.producers.len() < 4 {
                    self.producers.reserve_exact(1);
                }
                self.producers.insert(at, (producer_id, producer));
                true
            }
        }
    }

    fn remove_expired(&mut self, now_ms: i64, removed: &mut Vec<i64>) {
        self.producers.retain(|(id, producer)| {
            let keep = !producer.expired(now_ms);
            if !keep {
                removed.push(*id);
            }
            keep
        });
    }

    /// Removes the sixteenth that has been silent for longest, so that this is rarely needed.
    fn remove_silent(&mut self, newest: i64, removed: &mut Vec<i64>) {
        let mut by_silence: Vec<_> = self.producers.iter().map(|(id, p)| (p.last_seen_ms, *id)).collect();
        by_silence.sort_unstable();
        let others = by_silence.into_iter().map(|(_, id)| id).filter(|id| *id != newest);
        let gone: BTreeSet<_> = others.take(MAX_PRODUCERS / 16).collect();
        self.producers.retain(|(id, _)| !gone.contains(id));
        removed.extend(gone);
    }
}

/// The sequence number `by` further on: after `i32::MAX` comes 0.
fn advance(sequence: i32, by: i32) -> i32 {
    let next = i64::from(sequence) + i64::from(by);
    let wrapped = if next > i64::from(i32::MAX) { next - i64::from(i32::MAX) - 1 } else { next };
    i32::try_from(wrapped).unwrap_or(i32::MAX)
}
