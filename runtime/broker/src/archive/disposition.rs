//! Whom the records of a batch are for, as the archive has to know: everybody, or only those who
//! read uncommitted data.

use std::collections::HashMap;

use tidemill_archive_format::Disposition;
use tidemill_records::RecordBatch;

use crate::partition::Partition;

/// What was aborted in a run of offsets that has no open transactions.
pub(super) struct Dispositions {
    /// First offset and offset of the marker of each aborted transaction, by producer.
    aborted: HashMap<i64, Vec<(i64, i64)>>,
}

impl Dispositions {
    /// Of a partition's hot batches in `from..end`, which ends at or before the last stable offset.
    pub(super) fn of(target: &Partition, from: i64, end: i64) -> Self {
        let mut aborted: HashMap<i64, Vec<(i64, i64)>> = HashMap::new();
        target.journal.state(|state| {
            let found =
                state.partition(&target.id).into_iter().flat_map(|partition| partition.aborted(from, end));
            for transaction in found {
                let span = (transaction.first_offset, transaction.last_offset);
                aborted.entry(transaction.producer_id).or_default().push(span);
            }
        });
        Self { aborted }
    }

    /// Of one of these batches.
    pub(super) fn of_batch(&self, batch: &RecordBatch) -> Disposition {
        if batch.is_control() {
            return Disposition::Control;
        }
        let spans = self.aborted.get(&batch.header().producer_id).filter(|_| batch.is_transactional());
        let offset = batch.base_offset();
        let span = spans.and_then(|spans| {
            // By rising markers: the first one that ends behind the batch is the only candidate.
            let at = spans.partition_point(|(_, last)| *last < offset);
            spans.get(at).filter(|(first, _)| *first <= offset)
        });
        span.map_or(Disposition::Committed, |(first_offset, _)| Disposition::Aborted {
            first_offset: *first_offset,
        })
    }
}
