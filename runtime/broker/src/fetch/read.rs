//! Reading one partition, wherever its records are.

use tidemill_records::RecordBatch;

use super::reader::{Found, Source};
use super::{AbortedTransaction, Isolation};
use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::partition::{Partition, Watermarks};

/// How much to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) bytes: usize,
    /// The first batch comes whole even if it is larger.
    pub(crate) at_least_one: bool,
    pub(crate) isolation: Isolation,
}

/// What a partition answered.
#[derive(Debug)]
pub(crate) struct PartitionRead {
    pub(crate) watermarks: Option<Watermarks>,
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) aborted: Vec<AbortedTransaction>,
    pub(crate) error: Option<Error>,
}

impl Broker {
    /// Reads a partition for a consumer, who has to stay within its offsets and leader epoch.
    pub(crate) async fn partition_read(
        &self,
        target: &Partition,
        offset: i64,
        current_leader_epoch: i32,
        limit: Limit,
    ) -> PartitionRead {
        let watermarks = match target.watermarks() {
            Ok(watermarks) => watermarks,
            Err(error) => return PartitionRead::failed(None, error),
        };
        let checked = target
            .check_leader_epoch(&watermarks, current_leader_epoch)
            .and_then(|()| check_range(target, &watermarks, offset));
        if let Err(error) = checked {
            return PartitionRead::failed(Some(watermarks), error);
        }
        let end = match limit.isolation {
            Isolation::ReadUncommitted => watermarks.high_watermark,
            Isolation::ReadCommitted => watermarks.last_stable_offset,
        };
        if offset >= end || (limit.bytes == 0 && !limit.at_least_one) {
            return PartitionRead::nothing(watermarks);
        }
        match self.read_sequence(target, offset, end, limit).await {
            Ok(mut found) => {
                found.batches.retain(|batch| batch.base_offset() < end);
                if found.source == Source::Hot {
                    found.forget_others();
                }
                self.count(target, &found);
                let aborted = match limit.isolation {
                    Isolation::ReadUncommitted => Vec::new(),
                    Isolation::ReadCommitted => found.aborted,
                };
                PartitionRead { watermarks: Some(watermarks), batches: found.batches, aborted, error: None }
            }
            Err(error) => PartitionRead::failed(Some(watermarks), error),
        }
    }

    fn count(&self, target: &Partition, found: &Found) {
        let bytes = found.batches.iter().map(RecordBatch::size_bytes).sum::<usize>() as u64;
        let metrics = self.metrics.topic(&target.topic.name);
        match found.source {
            Source::Hot => metrics.fetched_hot(bytes),
            Source::Archive => metrics.fetched_archive(bytes),
        }
    }
}

impl PartitionRead {
    /// No records, and nothing wrong.
    pub(super) fn nothing(watermarks: Watermarks) -> Self {
        Self { watermarks: Some(watermarks), batches: Vec::new(), aborted: Vec::new(), error: None }
    }

    fn failed(watermarks: Option<Watermarks>, error: Error) -> Self {
        Self { watermarks, batches: Vec::new(), aborted: Vec::new(), error: Some(error) }
    }
}

/// Kafka's rule: an offset may be the log's end, but not beyond it, and not before its start.
pub(crate) fn check_range(target: &Partition, watermarks: &Watermarks, offset: i64) -> Result<(), Error> {
    let Watermarks { log_start_offset, high_watermark, .. } = *watermarks;
    if (log_start_offset..=high_watermark).contains(&offset) {
        return Ok(());
    }
    let message = format!(
        "offset {offset} of {}-{} is outside of {log_start_offset}..={high_watermark}",
        target.topic.name, target.id.partition
    );
    Err(Error::new(ErrorKind::OffsetOutOfRange, message))
}
