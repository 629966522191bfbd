//! Reading batches from where they are: the log while it has them, else the archive.

use std::sync::Arc;

use tidemill_journal::ReadError;
use tidemill_records::RecordBatch;
use tidemill_state::ArchivedObject;
use tokio::sync::Semaphore;

use super::AbortedTransaction;
use super::read::check_range;
use crate::archive::Bucket;
use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::partition::Partition;

/// How often a read starts over because its records moved from the log to the archive meanwhile.
const ATTEMPTS: usize = 4;

/// Where batches were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Hot,
    Archive,
}

/// Batches as they were found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) aborted: Vec<AbortedTransaction>,
    /// What is aborted below this offset is known. Beyond it a transaction may have been open.
    pub(crate) stable_end: i64,
    pub(crate) source: Source,
}

/// What reads need. Clones share it.
#[derive(Clone)]
pub(crate) struct Reader {
    bucket: Arc<Bucket>,
    /// Bounds how many archived reads run at a time; the others wait their turn.
    archived: Arc<Semaphore>,
}

impl Reader {
    pub(crate) fn new(bucket: Arc<Bucket>, archived_at_a_time: usize) -> Self {
        Self { bucket, archived: Arc::new(Semaphore::new(archived_at_a_time.max(1))) }
    }

    /// Reads batches from the one that contains `offset` on, from the log if it has them, else from
    /// the archive. Empty only at the end of the log (or where not even one batch is within the limit).
    pub(crate) async fn read(
        &self,
        target: &Partition,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Found, Error> {
        for _ in 0..ATTEMPTS {
            // Before the batches are read, so that they cannot be of a transaction aborted later.
            let known = Known::of(target, offset);
            match read_hot(target, offset, max_bytes, at_least_one).await {
                Ok(batches) => {
                    return Ok(known.with(batches));
                }
                Err(ReadError::NotHot { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let object = target.journal.state(|state| {
                state.partition(&target.id).and_then(|partition| partition.object_at(offset).cloned())
            });
            if let Some(object) = object {
                return self.read_archived(target, &object, offset, max_bytes, at_least_one).await;
            }
        }
        let current = target.watermarks()?;
        check_range(target, &current, offset)?;
        let place = format!("{}-{} offset {offset}", target.topic.name, target.id.partition);
        let message = format!("{place} is neither in the log nor in the archive");
        tracing::error!(
            topic = target.topic.name,
            partition = target.id.partition,
            offset,
            "records are missing"
        );
        Err(Error::new(ErrorKind::KafkaStorageError, message))
    }

    /// Reads an object from the batch that holds `offset` on. Like the log's, an answer may be empty if
    /// not even one batch is within the limit and one is not asked for.
    async fn read_archived(
        &self,
        target: &Partition,
        object: &ArchivedObject,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Found, Error> {
        let _slot = self.archived.acquire().await;
        let place = || format!("{}-{} offset {offset}", target.topic.name, target.id.partition);
        let mut read =
            self.bucket.read(object, offset, max_bytes).await.map_err(|error| error.context(place()))?;
        if !at_least_one && read.batches.first().is_some_and(|batch| batch.size_bytes() > max_bytes) {
            read.batches.clear();
        }
        let aborted = read
            .aborted
            .iter()
            .map(|transaction| AbortedTransaction {
                producer_id: transaction.producer_id,
                first_offset: transaction.first_offset,
                last_offset: i64::MAX,
            })
            .collect();
        Ok(Found { batches: read.batches, aborted, stable_end: i64::MAX, source: Source::Archive })
    }
}

/// What the state says of transactions in the hot part, from an offset on.
struct Known {
    aborted: Vec<AbortedTransaction>,
    stable_end: i64,
}

impl Known {
    fn of(target: &Partition, offset: i64) -> Self {
        let known = target.journal.state(|state| {
            let partition = state.partition(&target.id)?;
            let stable_end = partition.last_stable_offset;
            Some(Self { aborted: partition.aborted(offset, stable_end).collect(), stable_end })
        });
        known.unwrap_or(Self { aborted: Vec::new(), stable_end: i64::MIN })
    }

    fn with(self, batches: Vec<RecordBatch>) -> Found {
        let Self { aborted, stable_end } = self;
        let mut found = Found { batches, aborted, stable_end, source: Source::Hot };
        found.forget_others();
        found
    }
}

impl Found {
    /// Leaves out transactions that have nothing in the batches. A consumer that is told of one whose
    /// marker it does not meet would skip the producer's later records, too.
    pub(super) fn forget_others(&mut self) {
        let first = self.batches.first().map_or(i64::MAX, RecordBatch::base_offset);
        let last = self.batches.last().map_or(i64::MIN, RecordBatch::last_offset);
        self.aborted.retain(|aborted| aborted.first_offset <= last && aborted.last_offset >= first);
    }
}

impl Broker {
    /// The first record of an object at or after both an offset and a time.
    pub(crate) async fn archived_offset(
        &self,
        object: &ArchivedObject,
        from: i64,
        time_ms: i64,
    ) -> Result<Option<(i64, i64)>, Error> {
        let _slot = self.reader.archived.acquire().await;
        self.bucket.offset_for_timestamp(object, from, time_ms).await
    }
}

/// Reads the log: on this thread what is in memory (a consumer at the end waits for one thread less), the
/// rest off the network threads, for it may have to go to the disk.
async fn read_hot(
    target: &Partition,
    offset: i64,
    max_bytes: usize,
    at_least_one: bool,
) -> Result<Vec<RecordBatch>, ReadError> {
    let (journal, id) = (target.journal.clone(), target.id);
    if let Some(read) = journal.read_hot_cached(&id, offset, max_bytes, at_least_one)? {
        // A fetch of many partitions lets others run in between.
        tokio::task::coop::consume_budget().await;
        return Ok(read.batches);
    }
    let read = move || journal.read_hot(&id, offset, max_bytes, at_least_one).map(|read| read.batches);
    match tokio::task::spawn_blocking(read).await {
        Ok(result) => result,
        Err(error) => Err(ReadError::Storage(format!("a reader failed: {error}"))),
    }
}
