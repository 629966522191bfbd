//! Appending batches: first a plan that only reads the state, then a commit that cannot fail. So a
//! command with several appends (a function's outputs) happens wholly or not at all.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidemill_records::{BatchHeader, RecordBatch};

use crate::limits::MAX_OPEN_TRANSACTIONS;
use crate::partition::PartitionState;
use crate::producers::{BatchMark, Producer};
use crate::rows::RowKey;
use crate::state::State;
use crate::unstable::Unstable;
use crate::{Append, Appended, ApplyContext, BatchAppended, Effect, Outcome, PartitionId, Rejection};

/// The transaction that batches belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransactionRef {
    pub(crate) number: u64,
    pub(crate) version: u8,
}

/// What appends of one command will do, by partition.
#[derive(Default)]
pub(crate) struct AppendPlan {
    partitions: BTreeMap<PartitionId, PartitionPlan>,
    of: Option<TransactionRef>,
}

/// What will happen to one partition.
struct PartitionPlan {
    next_offset: i64,
    now_ms: i64,
    /// Producers silent since then count as unknown.
    horizon_ms: i64,
    of: Option<TransactionRef>,
    producers: BTreeMap<i64, Producer>,
    batches: Vec<BatchAppended>,
}

impl AppendPlan {
    /// A plan for batches of a transaction.
    pub(crate) fn of_transaction(of: TransactionRef) -> Self {
        Self { of: Some(of), ..Self::default() }
    }

    /// Whether these bytes are a batch that can be appended outside of transactions.
    pub(crate) fn check_batch(batch: &Bytes) -> Result<(), Rejection> {
        parse(batch, false).map(|_| ())
    }

    /// Plans one append, seeing those planned before. `ordinal` is its place in the command.
    pub(crate) fn add(
        &mut self,
        state: &State,
        ctx: ApplyContext,
        append: &Append,
        ordinal: u32,
    ) -> Result<Appended, Rejection> {
        self.add_from(state, ctx, append, ordinal, 0)
    }

    /// Plans one append without its first `skip` batches.
    pub(crate) fn add_from(
        &mut self,
        state: &State,
        ctx: ApplyContext,
        append: &Append,
        ordinal: u32,
        skip: usize,
    ) -> Result<Appended, Rejection> {
        let id = append.partition;
        let partition = state.partitions.get(&id).ok_or(Rejection::UnknownPartition(id))?;
        let of = self.of;
        let plan = self.partitions.entry(id).or_insert_with(|| PartitionPlan::new(partition, of));
        plan.now_ms = plan.now_ms.max(append.now_ms);
        plan.horizon_ms = append.now_ms.saturating_sub(state.producer_expiry_ms());
        let batches = append.batches.iter().skip(skip);
        let headers = batches.map(|batch| parse(batch, of.is_some())).collect::<Result<Vec<_>, _>>()?;
        if let Some(duplicate) = plan.duplicate(partition, &headers)? {
            return Ok(duplicate);
        }
        let base_offset = plan.next_offset;
        let leader_epoch = partition.leader_epoch(ctx.term);
        for (batch, (header, size)) in (skip..).zip(&headers) {
            let header_base = plan.push(partition, header, append.now_ms)?;
            plan.batches.push(BatchAppended {
                partition: id,
                base_offset: header_base,
                last_offset: plan.next_offset.saturating_sub(1),
                leader_epoch,
                max_timestamp_ms: header.max_timestamp,
                size_bytes: *size,
                append: ordinal,
                batch: u32::try_from(batch).unwrap_or(u32::MAX),
            });
        }
        let (next_offset, log_start_offset) = (plan.next_offset, partition.log_start_offset);
        Ok(Appended { base_offset, next_offset, log_start_offset, duplicate: false })
    }
}

impl PartitionPlan {
    fn new(partition: &PartitionState, of: Option<TransactionRef>) -> Self {
        let next_offset = partition.high_watermark;
        let (now_ms, horizon_ms) = (i64::MIN, i64::MIN);
        Self { next_offset, now_ms, horizon_ms, of, producers: BTreeMap::new(), batches: Vec::new() }
    }

    fn producer(&self, partition: &PartitionState, id: i64) -> Option<Producer> {
        self.producers.get(&id).copied().or_else(|| partition.producers.get(id, self.horizon_ms))
    }

    /// The original offsets, if all batches are a producer's retries. Appends are atomic, so an
    /// honest retry never mixes written and new batches.
    fn duplicate(
        &self,
        partition: &PartitionState,
        headers: &[(BatchHeader, u32)],
    ) -> Result<Option<Appended>, Rejection> {
        let mut originals: Option<(BatchMark, BatchMark)> = None;
        let mut count = 0;
        for (header, _) in headers.iter().filter(|(header, _)| header.producer_id >= 0) {
            let producer = self.producer(partition, header.producer_id);
            if let Some(mark) = producer.and_then(|producer| producer.duplicate_of(header)) {
                originals = Some((originals.map_or(mark, |(first, _)| first), mark));
                count += 1;
            }
        }
        match originals {
            None => Ok(None),
            Some((first, last)) if count == headers.len() => Ok(Some(Appended {
                base_offset: first.base_offset(),
                next_offset: last.next_offset(),
                log_start_offset: partition.log_start_offset,
                duplicate: true,
            })),
            Some(_) => Err(Rejection::Invalid("some batches were written before and some were not".into())),
        }
    }

    /// Takes one batch. Answers its base offset.
    fn push(
        &mut self,
        partition: &PartitionState,
        header: &BatchHeader,
        now_ms: i64,
    ) -> Result<i64, Rejection> {
        let base_offset = self.next_offset;
        let next_offset = base_offset.checked_add(i64::from(header.last_offset_delta) + 1);
        let next_offset = next_offset.ok_or_else(|| Rejection::Invalid("offsets are used up".into()))?;
        if header.producer_id >= 0 {
            let known = self.producer(partition, header.producer_id);
            let known = known.as_ref();
            Producer::check(known, header, self.of)?;
            let opens = self.of.is_some() && known.is_none_or(|known| known.open_since().is_none());
            if opens
                && partition.producers.unstable().map_or(0, Unstable::open_count) >= MAX_OPEN_TRANSACTIONS
            {
                return Err(Rejection::Invalid("too many transactions are open in the partition".into()));
            }
            let producer = Producer::after(known, header, base_offset, now_ms);
            self.producers.insert(header.producer_id, producer);
        }
        self.next_offset = next_offset;
        Ok(base_offset)
    }
}

/// Checks what apply relies on; records were validated before they were proposed.
fn parse(batch: &Bytes, transactional: bool) -> Result<(BatchHeader, u32), Rejection> {
    let parsed = RecordBatch::parse(batch.clone()).map_err(|e| Rejection::Invalid(format!("batch: {e}")))?;
    if parsed.is_control() || parsed.is_transactional() != transactional {
        return Err(Rejection::Invalid("batch of a transaction outside of one, or the reverse".into()));
    }
    if transactional && parsed.header().producer_id < 0 {
        return Err(Rejection::Invalid("batch of a transaction without a producer".into()));
    }
    let header = *parsed.header();
    let idempotent = header.producer_id >= 0;
    if header.last_offset_delta < 0 || (idempotent && (header.base_sequence < 0 || header.producer_epoch < 0))
    {
        return Err(Rejection::Invalid("batch header".into()));
    }
    Ok((header, u32::try_from(batch.len()).unwrap_or(u32::MAX)))
}

impl State {
    pub(crate) fn append(
        &mut self,
        ctx: ApplyContext,
        append: &Append,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Rejection> {
        if append.batches.is_empty() {
            return Err(Rejection::Invalid("no batches".into()));
        }
        let mut plan = AppendPlan::default();
        let appended = plan.add(self, ctx, append, 0)?;
        self.commit_appends(plan, effects);
        Ok(Outcome::Appended(appended))
    }

    /// Carries out what was planned against this very state.
    pub(crate) fn commit_appends(&mut self, plan: AppendPlan, effects: &mut Vec<Effect>) {
        for (id, plan) in plan.partitions {
            let Some(partition) = self.partitions.get_mut(&id) else {
                continue;
            };
            let Some(first) = plan.batches.first() else {
                continue;
            };
            partition.note_leader_epoch(first.leader_epoch, first.base_offset);
            partition.high_watermark = plan.next_offset;
            let mut touched = Vec::new();
            for (producer_id, producer) in plan.producers {
                touched.push(producer_id);
                let (now_ms, horizon_ms) = (plan.now_ms, plan.horizon_ms);
                touched.extend(partition.producers.put(producer_id, producer, now_ms, horizon_ms));
            }
            partition.last_stable_offset = partition.stable_offset();
            self.mark_producers(id, touched);
            self.dirty.mark(RowKey::Partition(id));
            effects.extend(plan.batches.into_iter().map(Effect::BatchAppended));
        }
    }
}
