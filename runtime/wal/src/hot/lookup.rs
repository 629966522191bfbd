//! Finding batches by offset and by timestamp.

use std::sync::Arc;

use super::TimestampHit;
use super::extent::BatchExtent;
use super::span::{SectionRef, Span};
use crate::error::Error;
use crate::file::WalFile;
use crate::index::Index;
use crate::shared::Shared;
use crate::types::WalPartition;

pub(super) enum Found {
    /// Batches of one file. `complete` if the file has no more of the partition.
    Batches { file: Arc<WalFile>, extents: Vec<BatchExtent>, complete: bool },
    /// The offset lies in a file whose batches only its footer lists.
    InFooter { file: Arc<WalFile>, span: Span, section: SectionRef },
    /// The offset is at or beyond the end.
    End,
    /// The offset lies before the first hot batch, or nothing is known of the partition.
    NotHot { start: Option<i64> },
}

/// Chooses the batches of the file that has `offset`, as many as fit into `budget`. Does no I/O.
pub(super) fn find(
    shared: &Shared,
    partition: WalPartition,
    offset: i64,
    budget: usize,
    at_least_one: bool,
) -> Found {
    let index = shared.index.read();
    let Some(hot) = index.partitions.get(&partition) else {
        return Found::NotHot { start: None };
    };
    let start = hot.start();
    if offset < start.unwrap_or(hot.end) {
        return Found::NotHot { start };
    }
    let Some(span) = hot.span_at(offset) else {
        return Found::End;
    };
    if offset < span.from {
        // A snapshot was installed over the batches in between.
        return Found::NotHot { start: Some(span.from) };
    }
    let Some(state) = index.files.get(&span.file) else {
        return Found::End;
    };
    let file = Arc::clone(&state.file);
    if let Some(section) = span.section {
        return Found::InFooter { file, span: *span, section };
    }
    let all = open_extents(&index, partition, span);
    let (extents, complete) = choose(all, offset, span, budget, at_least_one);
    Found::Batches { file, extents, complete }
}

/// The batches from `offset` on that fit, and whether those are all of the span.
pub(super) fn choose(
    all: &[BatchExtent],
    offset: i64,
    span: &Span,
    budget: usize,
    at_least_one: bool,
) -> (Vec<BatchExtent>, bool) {
    let first = all.partition_point(|extent| extent.last_offset < offset.max(span.from));
    let mut rest = budget;
    let mut chosen: Vec<BatchExtent> = Vec::new();
    for extent in all.iter().skip(first).take_while(|extent| extent.base_offset <= span.last) {
        let size = extent.size as usize;
        if size > rest && !(at_least_one && chosen.is_empty()) {
            return (chosen, false);
        }
        rest = rest.saturating_sub(size);
        chosen.push(*extent);
    }
    (chosen, true)
}

fn open_extents<'a>(index: &'a Index, partition: WalPartition, span: &Span) -> &'a [BatchExtent] {
    let open = index.files.get(&span.file).and_then(|state| state.open.as_ref());
    open.and_then(|open| open.by_partition.get(&partition)).map_or(&[], |extents| extents.as_slice())
}

/// The first batch with a timestamp of at least `timestamp_ms`.
pub(super) fn by_timestamp(
    shared: &Shared,
    partition: WalPartition,
    timestamp_ms: i64,
) -> Result<Option<TimestampHit>, Error> {
    let mut from = i64::MIN;
    loop {
        let (file, span) = {
            let index = shared.index.read();
            let Some(hot) = index.partitions.get(&partition) else {
                return Ok(None);
            };
            let mut spans = hot.spans.iter().filter(|span| span.last >= from);
            let Some(span) = spans.find(|span| span.max_timestamp_ms >= timestamp_ms) else {
                return Ok(None);
            };
            let Some(state) = index.files.get(&span.file) else {
                return Ok(None);
            };
            if span.section.is_none()
                && let Some(hit) = first_at(open_extents(&index, partition, span), span, timestamp_ms)
            {
                return Ok(Some(hit));
            }
            (Arc::clone(&state.file), *span)
        };
        if let Some(section) = span.section
            && let Some(hit) = first_at(&shared.section(&file, section)?, &span, timestamp_ms)
        {
            return Ok(Some(hit));
        }
        // The batch with that timestamp was released: look behind this span.
        from = span.last.saturating_add(1);
    }
}

fn first_at(all: &[BatchExtent], span: &Span, timestamp_ms: i64) -> Option<TimestampHit> {
    let first = all.partition_point(|extent| extent.last_offset < span.from);
    let hit = all.iter().skip(first).find(|extent| extent.max_timestamp_ms >= timestamp_ms)?;
    Some(TimestampHit { base_offset: hit.base_offset, max_timestamp_ms: hit.max_timestamp_ms })
}

/// The batch with the largest timestamp, the earliest of equals.
pub(super) fn max_timestamp(shared: &Shared, partition: WalPartition) -> Result<Option<TimestampHit>, Error> {
    let mut best: Option<TimestampHit> = None;
    let mut from = i64::MIN;
    loop {
        let (file, span, mut extents) = {
            let index = shared.index.read();
            let Some(hot) = index.partitions.get(&partition) else {
                return Ok(best);
            };
            let better = |span: &&Span| best.is_none_or(|best| span.max_timestamp_ms > best.max_timestamp_ms);
            let Some(span) = hot.spans.iter().filter(|span| span.last >= from).find(better) else {
                return Ok(best);
            };
            let Some(state) = index.files.get(&span.file) else {
                return Ok(best);
            };
            (Arc::clone(&state.file), *span, open_extents(&index, partition, span).to_vec())
        };
        if let Some(section) = span.section {
            extents = shared.section(&file, section)?.to_vec();
        }
        for extent in extents.iter().filter(|extent| extent.last_offset >= span.from) {
            if best.is_none_or(|best| extent.max_timestamp_ms > best.max_timestamp_ms) {
                let (base_offset, max_timestamp_ms) = (extent.base_offset, extent.max_timestamp_ms);
                best = Some(TimestampHit { base_offset, max_timestamp_ms });
            }
        }
        from = span.last.saturating_add(1);
    }
}
