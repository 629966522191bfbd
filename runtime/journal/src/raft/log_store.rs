//! Openraft's log, kept in the write-ahead log.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{ErrorSubject, ErrorVerb, RaftLogReader};
use parking_lot::Mutex;
use tidemill_wal::{EntryFrame, StoredEntry, Wal};

use super::types::{Body, Entry, LogId, StorageError, TypeConfig, Vote, raft_log_id, wal_log_id};
use super::wire::{self, WireVote};
use crate::Error;
use crate::durable::{Durable, is_alone};
use crate::entry::{MembershipRecord, Payload};
use crate::writer::{Done, Job, Writer};

/// How much of the log is read at once when only its entries' kinds are wanted.
const SCAN_BYTES: u64 = 16 << 20;
/// How much of the log one message to a follower carries. Openraft's own limit counts entries.
const MESSAGE_BYTES: u64 = 4 << 20;
/// Entries that wait to be applied, held decoded. Beyond it they are read from the log again.
const RECENT_BYTES: usize = 32 << 20;

/// Entries from being appended until they are applied.
#[derive(Default)]
pub(crate) struct Recent {
    entries: BTreeMap<u64, Entry>,
    bytes: usize,
}

impl Recent {
    fn insert(&mut self, entry: Entry) {
        self.bytes += held_bytes(&entry);
        if let Some(replaced) = self.entries.insert(entry.log_id.index, entry) {
            self.bytes -= held_bytes(&replaced);
        }
    }

    /// Everything in here is in the log: may forget the oldest.
    fn shrink(&mut self) {
        while self.bytes > RECENT_BYTES
            && let Some((_, entry)) = self.entries.pop_first()
        {
            self.bytes -= held_bytes(&entry);
        }
    }

    fn truncate(&mut self, since: u64) {
        for entry in self.entries.split_off(&since).values() {
            self.bytes -= held_bytes(entry);
        }
    }

    /// Entries up to here are applied.
    pub(crate) fn applied(&mut self, upto: u64) {
        while let Some(first) = self.entries.first_entry()
            && *first.key() <= upto
        {
            self.bytes -= held_bytes(&first.remove());
        }
    }

    fn range(&self, range: &Range<u64>) -> Vec<Entry> {
        if range.is_empty() {
            return Vec::new();
        }
        self.entries.range(range.clone()).map(|(_, entry)| entry.clone()).collect()
    }
}

fn held_bytes(entry: &Entry) -> usize {
    match &entry.body {
        Body::Commands(data) => data.len_bytes(),
        _ => 0,
    }
}

/// The log, as openraft's core writes it.
pub(crate) struct LogStore {
    pub(crate) wal: Wal,
    pub(crate) writer: Writer,
    pub(crate) recent: Arc<Mutex<Recent>>,
    pub(crate) durable: Arc<Durable>,
    pub(crate) node_id: u64,
    /// Nobody else holds the journal, as of the last entry.
    pub(crate) is_alone: bool,
}

/// The log, as the tasks that feed the followers read it.
pub(crate) struct LogReader {
    wal: Wal,
    recent: Arc<Mutex<Recent>>,
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError> {
        let bounds = self.wal.bounds();
        Ok(LogState {
            last_purged_log_id: bounds.purged.map(raft_log_id),
            last_log_id: bounds.last.map(raft_log_id),
        })
    }

    async fn get_log_reader(&mut self) -> LogReader {
        LogReader { wal: self.wal.clone(), recent: self.recent.clone() }
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let vote = wire::encode(&WireVote::from(*vote), &[]).map_err(|e| storage(ErrorSubject::Vote, e))?;
        let saved = self.writer.run(Job::Vote(vote.to_vec())).await;
        saved.map_err(|e| StorageError::from_io_error(ErrorSubject::Vote, ErrorVerb::Write, e))
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        let Some(saved) = self.wal.read_vote() else {
            return Ok(None);
        };
        let (vote, _) =
            wire::decode::<WireVote>(Bytes::from(saved)).map_err(|e| storage(ErrorSubject::Vote, e))?;
        Ok(Some(vote.into()))
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<TypeConfig>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let mut frames: Vec<EntryFrame> = Vec::new();
        {
            let mut recent = self.recent.lock();
            // Whatever is here has been written, or will be before anybody wants to apply it.
            recent.shrink();
            for entry in entries {
                let parts = parts(&entry.body).map_err(|e| storage(ErrorSubject::Logs, e))?;
                match &entry.body {
                    Body::Commands(data) => data.set_logged(),
                    Body::Membership(membership) => {
                        self.is_alone = is_alone(&membership.into(), self.node_id);
                    }
                    Body::Blank | Body::Raw(_) | Body::InLog => {}
                }
                frames.push(EntryFrame { log_id: wal_log_id(&entry.log_id), parts });
                recent.insert(entry);
            }
        }
        let Some(last) = frames.last().map(|frame| frame.log_id.index) else {
            callback.log_io_completed(Ok(()));
            return Ok(());
        };
        let unsettled = self.durable.expect(last);
        if self.is_alone {
            self.writer.submit(Job::Append(frames), Done::Settle(unsettled));
            callback.log_io_completed(Ok(()));
        } else {
            let settle = move |result| {
                unsettled.settle(&result);
                callback.log_io_completed(result);
            };
            self.writer.submit(Job::Append(frames), Done::call(settle));
        }
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.recent.lock().truncate(log_id.index);
        self.durable.truncate(log_id.index);
        self.run(Job::Truncate(log_id.index), ErrorVerb::Delete).await
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.recent.lock().applied(log_id.index);
        self.run(Job::Purge(wal_log_id(&log_id)), ErrorVerb::Delete).await
    }
}

impl LogStore {
    async fn run(&self, job: Job, verb: ErrorVerb) -> Result<(), StorageError> {
        let done = self.writer.run(job).await;
        done.map_err(|e| StorageError::from_io_error(ErrorSubject::Logs, verb, e))
    }
}

/// The core looks at ids and memberships and passes entries on to apply, so it is given no payload
/// that is not in memory anyway: a range may be far larger than memory.
impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        let range = clip(&range, &self.wal);
        let recent = self.recent.lock().range(&range);
        let until = recent.first().map_or(range.end, |entry| entry.log_id.index);
        let mut entries = Vec::new();
        let mut next = range.start;
        while next < until {
            let chunk = read(&self.wal, next..until, SCAN_BYTES).await?;
            let Some(last) = chunk.last() else { break };
            next = last.log_id.index + 1;
            for stored in chunk {
                entries.push(described(stored).map_err(|e| storage(ErrorSubject::Logs, e))?);
            }
        }
        entries.extend(recent);
        Ok(entries)
    }
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        let range = clip(&range, &self.wal);
        self.limited_get_log_entries(range.start, range.end).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, StorageError> {
        let recent = self.recent.lock().range(&(start..end));
        let until = recent.first().map_or(end, |entry| entry.log_id.index);
        if start < until {
            let stored = read(&self.wal, start..until, MESSAGE_BYTES).await?;
            return Ok(stored.into_iter().map(raw).collect());
        }
        let mut bytes = 0;
        let fits = |entry: &Entry| {
            let first = bytes == 0;
            bytes += held_bytes(entry).max(1) as u64;
            first || bytes <= MESSAGE_BYTES
        };
        Ok(recent.into_iter().take_while(fits).collect())
    }
}

/// The payload of an entry.
pub(crate) fn parts(body: &Body) -> Result<Vec<Bytes>, Error> {
    match body {
        Body::Blank => Ok(Payload::blank()),
        Body::Membership(membership) => Payload::membership(&MembershipRecord::from(membership)),
        Body::Commands(data) => Ok(data.parts().to_vec()),
        Body::Raw(parts) => Ok(parts.clone()),
        Body::InLog => Err(Error::Invalid("an entry without its payload cannot be passed on".into())),
    }
}

/// An entry with its payload as it is.
fn raw(stored: StoredEntry) -> Entry {
    Entry { log_id: raft_log_id(stored.log_id), body: Body::Raw(stored.parts) }
}

/// An entry without its payload, unless it is needed to know what the entry is.
fn described(stored: StoredEntry) -> Result<Entry, Error> {
    let log_id = raft_log_id(stored.log_id);
    if stored.parts.first().is_some_and(|part| Payload::is_commands(part)) {
        return Ok(Entry { log_id, body: Body::InLog });
    }
    let body = match Payload::decode(stored.payload())? {
        Payload::Blank => Body::Blank,
        Payload::Membership(record) => Body::Membership((&record).into()),
        Payload::Commands(data) => Body::Commands(Arc::new(data)),
    };
    Ok(Entry { log_id, body })
}

async fn read(wal: &Wal, range: Range<u64>, max_bytes: u64) -> Result<Vec<StoredEntry>, StorageError> {
    let wal = wal.clone();
    let reading = tokio::task::spawn_blocking(move || wal.read_entries(range, max_bytes));
    let read = reading.await.map_err(|e| storage(ErrorSubject::Logs, e))?;
    read.map_err(|e| storage(ErrorSubject::Logs, e))
}

fn clip(range: &impl RangeBounds<u64>, wal: &Wal) -> Range<u64> {
    let end_of_log = wal.bounds().last.map_or(0, |last| last.index + 1);
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before + 1,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => end_of_log,
    };
    start..end.max(start)
}

fn storage(
    subject: ErrorSubject<u64>,
    error: impl std::error::Error + Send + Sync + 'static,
) -> StorageError {
    StorageError::from_io_error(subject, ErrorVerb::Read, io::Error::other(error))
}
