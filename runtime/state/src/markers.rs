//! Transactions as a partition sees them: records that belong to one, and the marker that ends it.
//!
//! The rules are those of Kafka's ProducerStateManager. The first transactional batch of a producer
//! opens its transaction; the last stable offset is where the oldest open one begins. A marker of an
//! older producer epoch or coordinator epoch is refused. What belongs to a transaction that has
//! ended here comes too late and is refused: it would open a transaction that nobody ends.

use tidemill_records::RecordBatch;
use tidemill_records::control::{ControlRecord, EndTransaction, TransactionResult, parse_control_batch};

use crate::append::{AppendPlan, TransactionRef};
use crate::producers::Producer;
use crate::rows::RowKey;
use crate::state::State;
use crate::{AbortedTransaction, AppendTransactional, Appended, ApplyContext, BatchAppended, Effect};
use crate::{Outcome, PartitionId, Rejection, WriteMarker};

const NO_TIMESTAMP_MS: i64 = -1;

/// A marker, parsed.
struct Marker {
    producer_id: i64,
    producer_epoch: i16,
    end: EndTransaction,
    size_bytes: u32,
}

impl State {
    pub(crate) fn append_transactional(
        &mut self,
        ctx: ApplyContext,
        command: &AppendTransactional,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Rejection> {
        if command.append.batches.is_empty() || command.transaction == 0 {
            return Err(Rejection::Invalid("no batches, or of no transaction".into()));
        }
        let of = TransactionRef { number: command.transaction, version: command.version };
        let mut plan = AppendPlan::of_transaction(of);
        let appended = plan.add(self, ctx, &command.append, 0)?;
        self.commit_appends(plan, effects);
        Ok(Outcome::Appended(appended))
    }

    pub(crate) fn write_marker(
        &mut self,
        ctx: ApplyContext,
        command: &WriteMarker,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Rejection> {
        let id = command.append.partition;
        let marker = parse_marker(command)?;
        let horizon_ms = command.append.now_ms.saturating_sub(self.producer_expiry_ms());
        let partition = self.partitions.get_mut(&id).ok_or(Rejection::UnknownPartition(id))?;
        let known = partition.producers.entry(marker.producer_id);
        let known = known.as_ref();
        let offset = partition.high_watermark;
        let log_start_offset = partition.log_start_offset;
        if command.transaction > 0 && known.is_some_and(|p| p.ended_transaction() >= command.transaction) {
            // Written before, by a coordinator that was not told so.
            let appended =
                Appended { base_offset: offset, next_offset: offset, log_start_offset, duplicate: true };
            return Ok(Outcome::Appended(appended));
        }
        check_marker(known, &marker, command.version)?;
        let next_offset =
            offset.checked_add(1).ok_or_else(|| Rejection::Invalid("offsets are used up".into()))?;
        let open_since = known.and_then(Producer::open_since);
        let producer = Producer::after_marker(
            known,
            marker.producer_epoch,
            marker.end.coordinator_epoch,
            command.transaction,
            command.append.now_ms,
        );
        // Nothing below can fail.
        let leader_epoch = partition.leader_epoch(ctx.term);
        partition.note_leader_epoch(leader_epoch, offset);
        partition.high_watermark = next_offset;
        if let Some(first_offset) = open_since
            && marker.end.result == TransactionResult::Abort
        {
            let producer_id = marker.producer_id;
            let aborted = AbortedTransaction { producer_id, first_offset, last_offset: offset };
            partition.producers.unstable_mut().abort(aborted);
            self.dirty.mark(RowKey::Aborted(id, offset));
        }
        let removed =
            partition.producers.put(marker.producer_id, producer, command.append.now_ms, horizon_ms);
        partition.last_stable_offset = partition.stable_offset();
        self.mark_producers(id, removed.into_iter().chain([marker.producer_id]));
        self.dirty.mark(RowKey::Partition(id));
        effects.push(Effect::BatchAppended(BatchAppended {
            partition: id,
            base_offset: offset,
            last_offset: offset,
            leader_epoch,
            // Nobody looks for a marker by its time.
            max_timestamp_ms: NO_TIMESTAMP_MS,
            size_bytes: marker.size_bytes,
            append: 0,
            batch: 0,
        }));
        Ok(Outcome::Appended(Appended {
            base_offset: offset,
            next_offset,
            log_start_offset,
            duplicate: false,
        }))
    }

    /// Marks all rows of producers dirty.
    pub(crate) fn mark_producers(&mut self, id: PartitionId, producers: impl IntoIterator<Item = i64>) {
        for producer_id in producers {
            self.dirty.mark(RowKey::Producer(id, producer_id));
            self.dirty.mark(RowKey::ProducerTransaction(id, producer_id));
        }
    }
}

fn parse_marker(command: &WriteMarker) -> Result<Marker, Rejection> {
    let invalid = |reason: String| Rejection::Invalid(format!("marker: {reason}"));
    let [bytes] = command.append.batches.as_slice() else {
        return Err(invalid("not one batch".into()));
    };
    let batch = RecordBatch::parse(bytes.clone()).map_err(|error| invalid(error.to_string()))?;
    let header = *batch.header();
    if header.producer_id < 0 || header.producer_epoch < 0 || header.last_offset_delta != 0 {
        return Err(invalid("header".into()));
    }
    match parse_control_batch(&batch).map_err(|error| invalid(error.to_string()))? {
        ControlRecord::EndTransaction(end) => Ok(Marker {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            end,
            size_bytes: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        }),
        ControlRecord::Other(kind) => Err(invalid(format!("control record of type {kind}"))),
    }
}

fn check_marker(known: Option<&Producer>, marker: &Marker, version: u8) -> Result<(), Rejection> {
    let Some(known) = known else {
        return Ok(());
    };
    let (epoch, current) = (marker.producer_epoch, known.epoch());
    // A client of version 2 goes on with the marker's epoch, so that one cannot be of its records.
    let reused = version >= 2 && known.open_since().is_some() && epoch == current;
    if epoch < current || reused {
        return Err(Rejection::InvalidProducerEpoch { producer_id: marker.producer_id, epoch, current });
    }
    let (epoch, current) = (marker.end.coordinator_epoch, known.coordinator_epoch());
    if epoch < current {
        return Err(Rejection::CoordinatorFenced { epoch, current });
    }
    Ok(())
}
