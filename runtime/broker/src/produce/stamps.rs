//! LogAppendTime, never falling within a partition.
//!
//! Batches are stamped by the CPU workers, where the CRC is recomputed anyway, and queued later:
//! two of one partition may have passed each other in between, and the clock may have been set back.
//! So stamp and place in the queue are compared under a lock, and a batch that would fall behind is
//! stamped anew, which is rare. Locks are shared by many partitions; that is only ever stricter.

use bytes::Bytes;
use parking_lot::Mutex;
use tidemill_records::restamp_log_append_time;

use super::validate::Checked;
use crate::partition::Partition;

const STRIPES: usize = 64;

/// The last stamp of each stripe.
pub(crate) struct Stamps {
    stripes: Vec<Mutex<i64>>,
}

impl Default for Stamps {
    fn default() -> Self {
        Self { stripes: (0..STRIPES).map(|_| Mutex::new(0)).collect() }
    }
}

impl Stamps {
    /// Queues a batch with `queue`, which gets its bytes and the clock. Answers what `queue`
    /// answered, and the batch's stamp, or -1 if the topic does not use LogAppendTime.
    pub(super) fn in_order<T>(
        &self,
        target: &Partition,
        checked: Checked,
        queue: impl FnOnce(Bytes, i64) -> T,
    ) -> (T, i64) {
        let now_ms = checked.now_ms;
        let stripe = target.id.topic_id.as_u128() as usize ^ target.id.partition.unsigned_abs() as usize;
        match (checked.stamp_ms, self.stripes.get(stripe % STRIPES)) {
            (Some(stamp_ms), Some(stripe)) => {
                let mut last_ms = stripe.lock();
                let mut batch = checked.batch;
                if stamp_ms < *last_ms {
                    batch = restamp_log_append_time(&batch, *last_ms);
                }
                *last_ms = stamp_ms.max(*last_ms);
                (queue(batch.into_bytes(), now_ms), *last_ms)
            }
            _ => (queue(checked.batch.into_bytes(), now_ms), -1),
        }
    }
}
