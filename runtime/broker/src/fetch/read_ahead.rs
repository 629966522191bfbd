//! Reading ahead for consumers that read a partition from front to back.
//!
//! A consumer that catches up asks for one piece after another and works on each before it asks for
//! the next. Meanwhile the next piece is read, which hides the disk, the bucket and the decoding of
//! Parquet behind the consumer's own time. From the archive more is read at a time than consumers ask
//! for, since pages of columns are decoded whole; what is left over waits for the next fetch.
//!
//! A partition's second fetch in a row, that is one which begins where another has ended, makes the
//! next piece be read; one that begins elsewhere costs nothing. What was read ahead is given to the
//! first fetch that asks for it. Records at an offset never change, so it cannot be stale; whether the
//! consumer may still have them is checked when it asks.
//!
//! Entries and bytes are bounded. What nobody asked for in [`KEPT`] makes room; what is newer does not,
//! or many consumers would throw out each other's before it is used: then nothing is read ahead.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tidemill_records::RecordBatch;
use tidemill_state::PartitionId;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Isolation;
use super::read::Limit;
use super::reader::{Found, Source};
use crate::broker::Broker;
use crate::error::Error;
use crate::partition::Partition;

/// How long an entry is left alone.
const KEPT: Duration = Duration::from_secs(10);
/// Partitions, or readers of one partition, that are remembered.
const MAX_ENTRIES: usize = 256;
/// A piece smaller than this is not worth a task.
const LEAST_BYTES: usize = 64 << 10;
/// What is read from the archive at a time.
const ARCHIVE_BYTES: usize = 4 << 20;

/// What is expected to be asked for next, the oldest first.
#[derive(Default)]
pub(crate) struct ReadAhead {
    entries: Mutex<VecDeque<Entry>>,
    limit_bytes: usize,
}

struct Entry {
    partition: PartitionId,
    offset: i64,
    /// What it may hold in memory.
    bytes: usize,
    since: Instant,
    piece: Piece,
}

enum Piece {
    /// Nothing yet: it is only known that somebody may come back here.
    Expected,
    /// On its way.
    Reading(Reading),
    /// Here.
    Left(Found),
}

/// A read that ends when nobody wants it any more.
struct Reading(JoinHandle<Result<Found, Error>>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ReadAhead {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self { entries: Mutex::default(), limit_bytes }
    }

    /// Takes out what is expected at this offset.
    fn take(&self, partition: PartitionId, offset: i64) -> Option<Piece> {
        let mut entries = self.entries.lock();
        let place =
            entries.iter().position(|entry| entry.partition == partition && entry.offset == offset)?;
        entries.remove(place).map(|entry| entry.piece)
    }

    /// Adds what `piece` gives, if there is room for so many bytes.
    fn put(&self, partition: PartitionId, offset: i64, bytes: usize, piece: impl FnOnce() -> Piece) {
        let mut entries = self.entries.lock();
        let since = Instant::now();
        while let Some(oldest) = entries.front()
            && (entries.len() >= MAX_ENTRIES || since.duration_since(oldest.since) > KEPT)
        {
            entries.pop_front();
        }
        let held: usize = entries.iter().map(|entry| entry.bytes).sum();
        if held.saturating_add(bytes) <= self.limit_bytes {
            entries.push_back(Entry { partition, offset, bytes, since, piece: piece() });
        }
    }
}

impl Broker {
    /// Reads a partition from `offset` on, which lies before `end`, as [`super::reader::Reader::read`]
    /// does, ahead of time if the consumer goes from front to back.
    pub(super) async fn read_sequence(
        &self,
        target: &Partition,
        offset: i64,
        end: i64,
        limit: Limit,
    ) -> Result<Found, Error> {
        let expected = self.read_ahead.take(target.id, offset);
        let in_sequence = expected.is_some();
        let (ahead, fresh) = match expected {
            // Errors of reading ahead are not the consumer's: it gets those of its own read.
            Some(Piece::Reading(mut reading)) => ((&mut reading.0).await.ok().and_then(Result::ok), true),
            Some(Piece::Left(found)) => (Some(found), false),
            Some(Piece::Expected) | None => (None, true),
        };
        if let Some(mut found) = ahead {
            if fresh {
                self.expect(target, &found, end, limit.bytes, true);
            }
            let left = found.split_off(limit);
            self.keep(target.id, left);
            if limit.isolation == Isolation::ReadCommitted {
                // It may have been read while a transaction was open that is not any more.
                found.batches.retain(|batch| batch.base_offset() < found.stable_end);
            }
            if !found.batches.is_empty() {
                self.metrics.read_ahead_hits.inc();
                return Ok(found);
            }
        }
        let found = self.reader.read(target, offset, limit.bytes, limit.at_least_one).await?;
        self.expect(target, &found, end, limit.bytes, in_sequence);
        Ok(found)
    }

    /// Expects somebody to ask for what follows `found`, and reads it if this is a sequence already.
    fn expect(&self, target: &Partition, found: &Found, end: i64, asked_bytes: usize, in_sequence: bool) {
        let Some(next) = found.batches.last().map(RecordBatch::next_offset).filter(|next| *next < end) else {
            return;
        };
        if asked_bytes < LEAST_BYTES {
            return;
        }
        if !in_sequence {
            return self.read_ahead.put(target.id, next, 0, || Piece::Expected);
        }
        let bytes = match found.source {
            Source::Hot => asked_bytes,
            Source::Archive => asked_bytes.max(ARCHIVE_BYTES),
        };
        self.read_ahead.put(target.id, next, bytes, || {
            let (reader, target) = (self.reader.clone(), target.clone());
            Piece::Reading(Reading(tokio::spawn(
                async move { reader.read(&target, next, bytes, true).await },
            )))
        });
    }

    fn keep(&self, partition: PartitionId, left: Option<Found>) {
        let Some(left) = left else { return };
        let Some(offset) = left.batches.first().map(RecordBatch::base_offset) else { return };
        let bytes = left.batches.iter().map(RecordBatch::size_bytes).sum();
        self.read_ahead.put(partition, offset, bytes, || Piece::Left(left));
    }
}

impl Found {
    /// Leaves as much as a read with this limit would have found, and gives back the rest.
    ///
    /// From the archive nothing is left if there are aborted transactions and not everything fits: which part they
    /// belong to is not known here, and a consumer that is told of one whose marker it does not meet
    /// would skip the producer's later records, too.
    fn split_off(&mut self, limit: Limit) -> Option<Found> {
        let mut bytes = 0;
        let fits = self.batches.iter().take_while(|batch| {
            let first = bytes == 0;
            bytes += batch.size_bytes();
            bytes <= limit.bytes || (first && limit.at_least_one)
        });
        let count = fits.count();
        let rest = self.batches.split_off(count);
        if rest.is_empty() {
            return None;
        }
        if !self.aborted.is_empty() && self.source == Source::Archive {
            self.batches.clear();
            return None;
        }
        let (stable_end, source) = (self.stable_end, self.source);
        let mut rest = Found { batches: rest, aborted: self.aborted.clone(), stable_end, source };
        rest.forget_others();
        self.forget_others();
        Some(rest)
    }
}
