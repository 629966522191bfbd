//! What of a partition is not decided yet, and what was decided against: open transactions by first
//! offset, and aborted ones by the offset of their markers; and what is known of the producers that
//! have or had any. No allocation while there are none.
//!
//! An aborted transaction is remembered until its marker is archived (the object says what of it
//! was aborted) or trimmed, so there are never more than markers in the log.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::producers::ProducerTransactions;

/// A transaction that was aborted in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AbortedTransaction {
    /// Whose.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: i64,
    /// Offset of its marker.
    pub last_offset: i64,
}

/// Its row in a checkpoint, by partition and offset of the marker.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct AbortedRow {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
}

/// The transactions of a partition.
#[derive(Debug, Default)]
pub(crate) struct Unstable {
    table: Option<Box<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    /// First offset and producer id.
    open: BTreeSet<(i64, i64)>,
    /// By offset of the marker.
    aborted: BTreeMap<i64, AbortedRow>,
    producers: BTreeMap<i64, ProducerTransactions>,
}

impl Unstable {
    pub(crate) fn producer(&self, producer_id: i64) -> Option<&ProducerTransactions> {
        self.table.as_ref()?.producers.get(&producer_id)
    }

    /// Notes a producer's transactions, and whether one of them is open.
    pub(crate) fn set_producer(&mut self, producer_id: i64, transactions: ProducerTransactions) {
        let table = self.table.get_or_insert_default();
        let before = table.producers.insert(producer_id, transactions);
        if let Some(first_offset) = before.and_then(|before| before.open_since()) {
            table.open.remove(&(first_offset, producer_id));
        }
        if let Some(first_offset) = transactions.open_since() {
            table.open.insert((first_offset, producer_id));
        }
    }

    /// Forgets a producer without an open transaction.
    pub(crate) fn forget_producer(&mut self, producer_id: i64) {
        if let Some(table) = &mut self.table {
            table.producers.remove(&producer_id);
        }
        self.let_go();
    }

    pub(crate) fn open_count(&self) -> usize {
        self.table.as_ref().map_or(0, |table| table.open.len())
    }

    /// The first offset of the oldest open transaction.
    pub(crate) fn first_offset(&self) -> Option<i64> {
        self.table.as_ref()?.open.first().map(|(first_offset, _)| *first_offset)
    }

    pub(crate) fn abort(&mut self, transaction: AbortedTransaction) {
        let AbortedTransaction { producer_id, first_offset, last_offset } = transaction;
        let row = AbortedRow { producer_id, first_offset };
        self.table.get_or_insert_default().aborted.insert(last_offset, row);
    }

    /// The row of the transaction whose marker is at an offset.
    pub(crate) fn aborted_at(&self, last_offset: i64) -> Option<&AbortedRow> {
        self.table.as_ref()?.aborted.get(&last_offset)
    }

    /// Aborted transactions with something in `from..to`, by offset of the marker.
    pub(crate) fn aborted(&self, from: i64, to: i64) -> impl Iterator<Item = AbortedTransaction> {
        let rows = self.table.iter().flat_map(move |table| table.aborted.range(from..));
        rows.filter(move |(_, row)| row.first_offset < to).map(|(last_offset, row)| AbortedTransaction {
            producer_id: row.producer_id,
            first_offset: row.first_offset,
            last_offset: *last_offset,
        })
    }

    /// Forgets aborted transactions that end below an offset. Answers where their markers were.
    pub(crate) fn forget_below(&mut self, offset: i64) -> Vec<i64> {
        let Some(table) = &mut self.table else {
            return Vec::new();
        };
        let kept = table.aborted.split_off(&offset);
        let gone = std::mem::replace(&mut table.aborted, kept);
        self.let_go();
        gone.into_keys().collect()
    }

    fn let_go(&mut self) {
        // Whoever has one open is a producer.
        let unused = |table: &Table| table.producers.is_empty() && table.aborted.is_empty();
        if self.table.as_deref().is_some_and(unused) {
            self.table = None;
        }
    }
}
