//! Reading committed records: what functions see.
//!
//! Batches come in offset order up to the last stable offset, wherever they are stored. Control
//! batches and records of aborted transactions are left out; positions move over them.

use std::collections::HashSet;

use tidemill_records::RecordBatch;
use tidemill_records::control::{ControlRecord, EndTransaction, TransactionResult, parse_control_batch};
use tidemill_state::PartitionId;

use crate::broker::Broker;
use crate::error::Error;
use crate::fetch::AbortedTransaction;
use crate::fetch::read::check_range;

/// Batches of committed records.
#[derive(Clone, Debug, Default)]
pub struct CommittedRead {
    /// Whole data batches in offset order; the first may begin before the offset asked for.
    pub batches: Vec<RecordBatch>,
    /// The offset to ask for next: after what was read or passed over.
    pub next_offset: i64,
    /// Where committed records end at the moment.
    pub last_stable_offset: i64,
}

impl Broker {
    /// Reads up to `max_bytes` of committed batches (one at least, if there is one) of a partition.
    pub async fn read_committed(
        &self,
        partition: PartitionId,
        offset: i64,
        max_bytes: usize,
    ) -> Result<CommittedRead, Error> {
        let target = self
            .partition_by_id(partition)
            .ok_or_else(|| Error::unknown_partition(&partition.topic_id.to_string(), partition.partition))?;
        let marks = target.watermarks()?;
        check_range(&target, &marks, offset)?;
        let end = marks.last_stable_offset;
        if offset >= end {
            return Ok(CommittedRead { batches: vec![], next_offset: offset, last_stable_offset: end });
        }
        let mut found = self.reader.read(&target, offset, max_bytes, true).await?;
        found.batches.retain(|batch| batch.base_offset() < end);
        let next_offset = found.batches.last().map_or(offset, RecordBatch::next_offset);
        let batches = leave_out_uncommitted(found.batches, &found.aborted);
        Ok(CommittedRead { batches, next_offset, last_stable_offset: end })
    }
}

/// Kafka's rule: from an aborted transaction's first offset to its abort marker, its producer's
/// transactional batches do not count. Pure.
fn leave_out_uncommitted(batches: Vec<RecordBatch>, aborted: &[AbortedTransaction]) -> Vec<RecordBatch> {
    let mut waiting: Vec<&AbortedTransaction> = aborted.iter().collect();
    waiting.sort_unstable_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
    let mut open: HashSet<i64> = HashSet::new();
    let mut keep = |batch: &RecordBatch| {
        while let Some(next) = waiting.last().filter(|next| next.first_offset <= batch.last_offset()) {
            open.insert(next.producer_id);
            waiting.pop();
        }
        let producer_id = batch.header().producer_id;
        if batch.is_control() {
            if matches!(
                parse_control_batch(batch),
                Ok(ControlRecord::EndTransaction(EndTransaction { result: TransactionResult::Abort, .. }))
            ) {
                open.remove(&producer_id);
            }
            return false;
        }
        !(batch.is_transactional() && open.contains(&producer_id))
    };
    batches.into_iter().filter(|batch| keep(batch)).collect()
}
