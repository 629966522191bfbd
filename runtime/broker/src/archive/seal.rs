//! Sealing one partition: its oldest hot batches become one object.
//!
//! 1. Encode into a local file, reading the log in offset order, never beyond the last stable offset.
//! 2. Upload under a name nobody else can use, refusing to replace anything.
//! 3. Commit by compare-and-set on the archived end. From here on it counts; before, it is garbage.
//!
//! Encoding takes CPU and is bounded by slots of its own; uploads overlap with the next encoding.

use std::io::BufWriter;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidemill_archive_format::{ObjectFacts, ObjectSummary, ObjectWriter, WriterOptions};
use tidemill_journal::ReadError;
use tidemill_state::{ArchivedObject, Command, CommitArchive, Outcome, Rejection};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::bucket::Bucket;
use super::disposition::Dispositions;
use super::policy::Attempt;
use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::journals::unexpected;
use crate::partition::Partition;

/// How much is read from the log at a time.
const READ_BYTES: usize = 2 << 20;
/// An object is at least this large if there is enough to seal, however little room the disk has.
const MIN_OBJECT_BYTES: u64 = 8 << 20;

/// Why sealing failed.
#[derive(Debug)]
pub(super) struct SealError {
    pub(super) error: Error,
    /// The bucket is at fault, not the partition.
    pub(super) bucket: bool,
}

impl From<Error> for SealError {
    fn from(error: Error) -> Self {
        Self { error, bucket: false }
    }
}

/// What was encoded into a local file, which is removed when this is dropped.
struct Encoded {
    summary: ObjectSummary,
    file: LocalFile,
    /// Bytes of the batches as they were in the log.
    log_bytes: u64,
}

struct LocalFile(PathBuf);

impl Drop for LocalFile {
    fn drop(&mut self) {
        // A folder as bucket takes the file itself; then there is nothing left to remove.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The folder for objects on their way.
pub(crate) fn scratch_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("sealing")
}

/// Seals the oldest hot batches of a partition, one object at most.
pub(super) async fn seal(
    broker: &Arc<Broker>,
    target: &Partition,
    encoders: &Semaphore,
) -> Result<Attempt, SealError> {
    let marks = target.watermarks()?;
    let end = sealable_end(broker, target, marks.last_stable_offset);
    let held_back =
        Attempt::HeldBack { high_watermark: marks.high_watermark, archived_end: marks.archived_end };
    if marks.archived_end >= end {
        return Ok(held_back);
    }
    let Some(encoded) = encode_somewhere(broker, target, marks.archived_end, end, encoders).await? else {
        return Ok(held_back);
    };
    let object = describe(broker, target, marks.archived_end, &encoded.summary);
    let upload = broker.bucket.upload(&object.path, &encoded.file.0, &encoded.summary).await;
    upload.map_err(|error| SealError { error, bucket: true })?;
    crash_point(broker, "broker: object uploaded, not committed")?;
    let archived_end = object.last_offset + 1;
    let path = object.path.clone();
    let commit = CommitArchive { partition: target.id, expected_archived_end: marks.archived_end, object };
    let outcome = target.journal.propose(Command::CommitArchive(commit)).await.map_err(Error::from)?;
    match outcome {
        Outcome::Done => {}
        Outcome::Rejected(Rejection::Conflict { .. } | Rejection::UnknownPartition(_)) => {
            // Trimmed or deleted meanwhile: the object is nobody's.
            broker.housekeeping.discard_path(path);
            return Ok(held_back);
        }
        other => return Err(unexpected(&other).into()),
    }
    crash_point(broker, "broker: object committed, hot batches not released")?;
    let high_watermark = target.watermarks().map_or(archived_end, |marks| marks.high_watermark);
    Ok(Attempt::Sealed { bytes: encoded.log_bytes, archived_end, high_watermark })
}

/// Where sealing ends: at the last stable offset.
#[cfg(not(test))]
fn sealable_end(_: &Broker, _: &Partition, last_stable_offset: i64) -> i64 {
    last_stable_offset
}

#[cfg(test)]
fn sealable_end(broker: &Broker, target: &Partition, last_stable_offset: i64) -> i64 {
    let held_back = broker.housekeeping.held_back.lock();
    held_back.get(&target.id).map_or(last_stable_offset, |offset| last_stable_offset.min(*offset))
}

fn crash_point(broker: &Broker, name: &'static str) -> Result<(), Error> {
    broker.disk.crash_point(name).map_err(|error| Error::new(ErrorKind::KafkaStorageError, error.to_string()))
}

async fn encode_somewhere(
    broker: &Arc<Broker>,
    target: &Partition,
    from: i64,
    end: i64,
    encoders: &Semaphore,
) -> Result<Option<Encoded>, Error> {
    let _slot = encoders.acquire().await;
    let path = scratch_dir(&broker.config.data_dir).join(format!("{}.parquet", Uuid::new_v4()));
    let limit = object_limit(broker, target);
    let (bucket, target, stopping) = (broker.bucket.clone(), target.clone(), broker.stopping.clone());
    let work = move || encode(&bucket, &target, from..end, limit, path, &stopping);
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::new(ErrorKind::UnknownServerError, format!("sealing failed: {error}")))?
}

/// How large the object may get: `segment.bytes`, but not more than the disk has room for.
fn object_limit(broker: &Broker, target: &Partition) -> u64 {
    let wanted = u64::try_from(target.topic.config.segment_bytes).unwrap_or(u64::MAX);
    let free = broker.disk.free_bytes(&broker.config.data_dir).unwrap_or(0);
    wanted.min((free / 4).max(MIN_OBJECT_BYTES))
}

/// Reads the log and writes the object. Blocks.
fn encode(
    bucket: &Bucket,
    target: &Partition,
    offsets: Range<i64>,
    limit: u64,
    path: PathBuf,
    stopping: &CancellationToken,
) -> Result<Option<Encoded>, Error> {
    let storage = |error: &dyn std::fmt::Display| {
        let place = format!("sealing {}-{}", target.topic.name, target.id.partition);
        Error::new(ErrorKind::KafkaStorageError, format!("{place}: {error}"))
    };
    let out = bucket.create_file(&path).map_err(|error| storage(&error))?;
    let file = LocalFile(path);
    let facts = ObjectFacts {
        topic: target.topic.name.clone(),
        topic_id: target.id.topic_id,
        partition: target.id.partition,
    };
    let mut writer =
        ObjectWriter::new(facts, WriterOptions::default(), BufWriter::with_capacity(1 << 20, out))
            .map_err(|error| storage(&error))?;
    let Range { start, end } = offsets;
    let dispositions = Dispositions::of(target, start, end);
    let (mut offset, mut log_bytes) = (start, 0u64);
    while offset < end && log_bytes < limit && !writer.is_full() {
        if stopping.is_cancelled() {
            return Err(Error::new(ErrorKind::NotLeaderOrFollower, "the broker is stopping"));
        }
        let read = match target.journal.read_hot(&target.id, offset, READ_BYTES, true) {
            Ok(read) => read,
            // Trimmed meanwhile: what was read so far does not count either.
            Err(ReadError::OutOfRange { .. } | ReadError::UnknownPartition) => return Ok(None),
            Err(error) => return Err(storage(&error)),
        };
        let mut progress = false;
        for batch in read.batches.iter().filter(|batch| batch.base_offset() < end) {
            writer.push(batch, dispositions.of_batch(batch)).map_err(|error| storage(&error))?;
            log_bytes += batch.size_bytes() as u64;
            offset = batch.next_offset();
            progress = true;
        }
        if !progress {
            return Err(storage(&format!("the log has nothing at offset {offset}, below {end}")));
        }
    }
    let summary = writer.finish().map_err(|error| storage(&error))?;
    Ok(Some(Encoded { summary, file, log_bytes }))
}

/// The manifest entry of a new object.
fn describe(broker: &Broker, target: &Partition, from: i64, summary: &ObjectSummary) -> ArchivedObject {
    let topic = &target.topic;
    let epoch = summary.leader_epochs.last().map_or(0, |(epoch, _)| *epoch);
    let path = tidemill_archive::object_path(
        &topic.name,
        topic.id,
        target.id.partition,
        from,
        summary.last_offset,
        epoch,
        rand::random(),
    );
    ArchivedObject {
        path,
        base_offset: from,
        last_offset: summary.last_offset,
        length_bytes: summary.length_bytes,
        crc32c: summary.crc32c,
        footer_bytes: summary.footer_bytes,
        row_count: summary.row_count,
        raw_bytes: summary.raw_bytes,
        min_timestamp_ms: summary.min_timestamp_ms,
        max_timestamp_ms: summary.max_timestamp_ms,
        leader_epochs: summary.leader_epochs.clone(),
        sealed_at_ms: broker.clock.now_ms(),
    }
}
