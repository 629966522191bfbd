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
use crate::append::TransactionRef;
use crate::limits::{MAX_PRODUCERS, PRODUCER_BATCHES, PRODUCER_SWEEP_MS};
use crate::unstable::Unstable;

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
    /// Epoch of the coordinator that last ended a transaction of it here, or -1.
    pub coordinator_epoch: i32,
    /// Where its open transaction begins, if it has one.
    pub open_since: Option<i64>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Producer {
    history: History,
    /// None for a producer that never used transactions here.
    transactions: Option<ProducerTransactions>,
}

/// A producer but for its transactions. Kept for every producer, so it must be small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct History {
    epoch: i16,
    last_seen_ms: i64,
    len: u8,
    marks: [BatchMark; PRODUCER_BATCHES],
}

/// The transactions of a producer in a partition: the row beside the producer's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProducerTransactions {
    /// First offset of the open one.
    open_since: Option<i64>,
    /// The newest one that ended here.
    ended: u64,
    /// Who ended it; -1 if nobody yet.
    coordinator_epoch: i32,
}

impl ProducerTransactions {
    pub(crate) fn open_since(&self) -> Option<i64> {
        self.open_since
    }
}

impl Default for ProducerTransactions {
    fn default() -> Self {
        Self { open_since: None, ended: 0, coordinator_epoch: -1 }
    }
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
        let marks = [BatchMark::default(); PRODUCER_BATCHES];
        let history = History { epoch, last_seen_ms: i64::MIN, len: 0, marks };
        Self { history, transactions: None }
    }

    pub(crate) fn epoch(&self) -> i16 {
        self.history.epoch
    }

    /// The first offset of its open transaction.
    pub(crate) fn open_since(&self) -> Option<i64> {
        self.transactions?.open_since
    }

    /// The newest of its transactions that ended here; 0 if none.
    pub(crate) fn ended_transaction(&self) -> u64 {
        self.transactions.as_ref().map_or(0, |transactions| transactions.ended)
    }

    /// Epoch of the coordinator that ended its last transaction, or -1.
    pub(crate) fn coordinator_epoch(&self) -> i32 {
        self.transactions.as_ref().map_or(-1, |transactions| transactions.coordinator_epoch)
    }

    fn marks(&self) -> &[BatchMark] {
        self.history.marks()
    }

    /// The batch this one is a retry of.
    pub(crate) fn duplicate_of(&self, batch: &BatchHeader) -> Option<BatchMark> {
        if batch.producer_epoch != self.epoch() {
            return None;
        }
        let last_sequence = advance(batch.base_sequence, batch.last_offset_delta);
        self.marks()
            .iter()
            .find(|mark| mark.last_sequence == last_sequence && mark.offset_delta == batch.last_offset_delta)
            .copied()
    }

    /// Whether the batch may follow. `None` stands for a producer that is not known.
    pub(crate) fn check(
        known: Option<&Self>,
        batch: &BatchHeader,
        of: Option<TransactionRef>,
    ) -> Result<(), Rejection> {
        let producer_id = batch.producer_id;
        let Some(known) = known else {
            return match of {
                // With an epoch for every transaction, one that is not known begins its first here.
                Some(TransactionRef { version: 2.., .. }) if batch.base_sequence != 0 => {
                    let sequence = batch.base_sequence;
                    Err(Rejection::OutOfOrderSequence { producer_id, sequence, expected: 0 })
                }
                _ => Ok(()),
            };
        };
        if batch.producer_epoch < known.epoch() {
            let (epoch, current) = (batch.producer_epoch, known.epoch());
            return Err(Rejection::InvalidProducerEpoch { producer_id, epoch, current });
        }
        match of {
            Some(of) if of.number <= known.ended_transaction() => {
                return Err(Rejection::InvalidTransactionState { producer_id, reason: "it has ended" });
            }
            None if known.open_since().is_some() => {
                let reason = "records outside of the transaction that is open";
                return Err(Rejection::InvalidTransactionState { producer_id, reason });
            }
            _ => {}
        }
        let expected = match known.marks().last() {
            Some(last) if batch.producer_epoch == known.epoch() => advance(last.last_sequence, 1),
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
        let mut producer = Self::in_epoch(known, batch.producer_epoch, now_ms);
        if batch.attributes.is_transactional() {
            let transactions = producer.transactions.get_or_insert_default();
            transactions.open_since = transactions.open_since.or(Some(base_offset));
        }
        producer.history.push(BatchMark {
            last_sequence: advance(batch.base_sequence, batch.last_offset_delta),
            last_offset: base_offset.saturating_add(i64::from(batch.last_offset_delta)),
            offset_delta: batch.last_offset_delta,
        });
        producer
    }

    /// The producer after the marker that ends its transaction.
    pub(crate) fn after_marker(
        known: Option<&Self>,
        epoch: i16,
        coordinator_epoch: i32,
        transaction: u64,
        now_ms: i64,
    ) -> Self {
        let mut producer = Self::in_epoch(known, epoch, now_ms);
        let transactions = producer.transactions.get_or_insert_default();
        transactions.open_since = None;
        transactions.ended = transactions.ended.max(transaction);
        transactions.coordinator_epoch = coordinator_epoch;
        producer
    }

    /// The producer as a newer epoch begins: without the batches of the one before.
    fn in_epoch(known: Option<&Self>, epoch: i16, now_ms: i64) -> Self {
        let mut producer = match known {
            Some(known) if known.epoch() == epoch => *known,
            Some(known) => {
                let mut producer = Self { transactions: known.transactions, ..Self::new(epoch) };
                producer.history.last_seen_ms = known.history.last_seen_ms;
                producer
            }
            None => Self::new(epoch),
        };
        producer.history.last_seen_ms = producer.history.last_seen_ms.max(now_ms);
        producer
    }

    /// Whether it has been silent since `horizon_ms`, and has no transaction open.
    fn expired(&self, horizon_ms: i64) -> bool {
        self.history.last_seen_ms <= horizon_ms && self.open_since().is_none()
    }

    pub(crate) fn row(&self) -> ProducerRow {
        let History { epoch, last_seen_ms, .. } = self.history;
        ProducerRow { epoch, last_seen_ms, marks: self.marks().to_vec() }
    }

    pub(crate) fn from_row(row: &ProducerRow) -> Self {
        let mut producer = Self::new(row.epoch);
        producer.history.last_seen_ms = row.last_seen_ms;
        for mark in &row.marks {
            producer.history.push(*mark);
        }
        producer
    }
}

impl History {
    fn marks(&self) -> &[BatchMark] {
        self.marks.get(..usize::from(self.len)).unwrap_or_default()
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
    producers: Vec<(i64, History)>,
    sweep_at_ms: i64,
    /// Here, because a partition without producers has no transactions, and most have none.
    unstable: Unstable,
}

impl Producers {
    /// The producer, unless unknown or silent since `horizon_ms`.
    pub(crate) fn get(&self, producer_id: i64, horizon_ms: i64) -> Option<Producer> {
        self.entry(producer_id).filter(|producer| !producer.expired(horizon_ms))
    }

    /// The producer, expired or not.
    pub(crate) fn entry(&self, producer_id: i64) -> Option<Producer> {
        let table = self.table.as_ref()?;
        let at = table.find(producer_id).ok()?;
        table.producers.get(at).map(|(id, history)| table.producer(*id, history))
    }

    /// A producer's transactions, if it ever had any here.
    pub(crate) fn transactions(&self, producer_id: i64) -> Option<&ProducerTransactions> {
        self.table.as_ref()?.unstable.producer(producer_id)
    }

    /// The partition's transactions, if it ever had any.
    pub(crate) fn unstable(&self) -> Option<&Unstable> {
        self.table.as_ref().map(|table| &table.unstable)
    }

    pub(crate) fn unstable_mut(&mut self) -> &mut Unstable {
        &mut self.table.get_or_insert_default().unstable
    }

    /// Forgets aborted transactions that end below an offset. Answers where their markers were.
    pub(crate) fn forget_aborted_below(&mut self, offset: i64) -> Vec<i64> {
        self.table.as_mut().map(|table| table.unstable.forget_below(offset)).unwrap_or_default()
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
    pub(crate) fn put(
        &mut self,
        producer_id: i64,
        producer: Producer,
        now_ms: i64,
        horizon_ms: i64,
    ) -> Vec<i64> {
        let table = self.table.get_or_insert_default();
        if !table.set(producer_id, producer) {
            return Vec::new();
        }
        let mut removed = Vec::new();
        if now_ms >= table.sweep_at_ms {
            table.sweep_at_ms = now_ms.saturating_add(PRODUCER_SWEEP_MS);
            table.remove_expired(horizon_ms, &mut removed);
        }
        if table.producers.len() > MAX_PRODUCERS {
            table.remove_silent(producer_id, &mut removed);
        }
        removed
    }

    pub(crate) fn restore(&mut self, producer_id: i64, producer: Producer) {
        self.table.get_or_insert_default().set(producer_id, producer);
    }

    /// Gives a restored producer its transactions; false if there is no such producer.
    pub(crate) fn restore_transactions(
        &mut self,
        producer_id: i64,
        transactions: ProducerTransactions,
    ) -> bool {
        match &mut self.table {
            Some(table) if table.find(producer_id).is_ok() => {
                table.unstable.set_producer(producer_id, transactions);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = ProducerSummary> + '_ {
        let all = self.table.iter().flat_map(|table| table.producers.iter().map(move |kept| (table, kept)));
        all.map(|(table, (id, history))| {
            let producer = table.producer(*id, history);
            ProducerSummary {
                producer_id: *id,
                epoch: producer.epoch(),
                last_sequence: producer.marks().last().map_or(-1, |mark| mark.last_sequence),
                last_seen_ms: history.last_seen_ms,
                coordinator_epoch: producer.coordinator_epoch(),
                open_since: producer.open_since(),
            }
        })
    }
}

impl Table {
    fn find(&self, producer_id: i64) -> Result<usize, usize> {
        self.producers.binary_search_by_key(&producer_id, |(id, _)| *id)
    }

    fn producer(&self, producer_id: i64, history: &History) -> Producer {
        Producer { history: *history, transactions: self.unstable.producer(producer_id).copied() }
    }

    /// Whether the producer is new.
    fn set(&mut self, producer_id: i64, producer: Producer) -> bool {
        if let Some(transactions) = producer.transactions {
            self.unstable.set_producer(producer_id, transactions);
        }
        match self.find(producer_id) {
            Ok(at) => {
                if let Some((_, known)) = self.producers.get_mut(at) {
                    *known = producer.history;
                }
                false
            }
            Err(at) => {
                if self.producers.len() < 4 {
                    self.producers.reserve_exact(1);
                }
                self.producers.insert(at, (producer_id, producer.history));
                true
            }
        }
    }

    fn remove_expired(&mut self, horizon_ms: i64, removed: &mut Vec<i64>) {
        let all = self.producers.iter();
        let expired = all.filter(|(id, history)| self.producer(*id, history).expired(horizon_ms));
        let gone = expired.map(|(id, _)| *id).collect();
        self.remove(gone, removed);
    }

    /// Removes the sixteenth that has been silent for longest, so that this is rarely needed.
    fn remove_silent(&mut self, newest: i64, removed: &mut Vec<i64>) {
        let all = self.producers.iter();
        let closed = all.filter(|(id, history)| self.producer(*id, history).open_since().is_none());
        let mut by_silence: Vec<_> = closed.map(|(id, history)| (history.last_seen_ms, *id)).collect();
        by_silence.sort_unstable();
        let others = by_silence.into_iter().map(|(_, id)| id).filter(|id| *id != newest);
        let gone = others.take(MAX_PRODUCERS / 16).collect();
        self.remove(gone, removed);
    }

    fn remove(&mut self, gone: BTreeSet<i64>, removed: &mut Vec<i64>) {
        if gone.is_empty() {
            return;
        }
        self.producers.retain(|(id, _)| !gone.contains(id));
        gone.iter().for_each(|id| self.unstable.forget_producer(*id));
        removed.extend(gone);
    }
}

/// The sequence number `by` further on: after `i32::MAX` comes 0.
fn advance(sequence: i32, by: i32) -> i32 {
    let next = i64::from(sequence) + i64::from(by);
    let wrapped = if next > i64::from(i32::MAX) { next - i64::from(i32::MAX) - 1 } else { next };
    i32::try_from(wrapped).unwrap_or(i32::MAX)
}
