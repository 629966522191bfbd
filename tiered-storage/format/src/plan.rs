//! Planning a read: which batches, and which byte ranges of the object hold them.

use std::ops::Range;

use parquet::file::page_index::offset_index::PageLocation;

use crate::error::Error;
use crate::footer::{Footer, chunk_range};
use crate::schema::leaf;
use crate::table::{BLOCK_BYTES, BatchEntry, Kind};

/// A plan covers no more raw bytes than this, except for a single larger batch.
const MAX_RAW_BYTES: u64 = 64 << 20;

/// Which columns a plan needs. `partition` is never among them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Columns {
    pub(crate) offset: bool,
    pub(crate) timestamp: bool,
    pub(crate) key: bool,
    pub(crate) headers: bool,
}

impl Columns {
    fn add(&mut self, entry: &BatchEntry) {
        self.offset |= !entry.shape.dense;
        self.timestamp |= !entry.shape.flat_times && !entry.shape.side_times;
        self.key |= entry.shape.keys;
        self.headers |= entry.shape.headers;
    }

    /// The leaf columns, in file order.
    pub(crate) fn leaves(self) -> impl Iterator<Item = usize> {
        [
            (leaf::OFFSET, self.offset),
            (leaf::TIMESTAMP, self.timestamp),
            (leaf::KEY, self.key),
            (leaf::VALUE, true),
            (leaf::HEADER_KEY, self.headers),
            (leaf::HEADER_VALUE, self.headers),
        ]
        .into_iter()
        .filter_map(|(leaf, needed)| needed.then_some(leaf))
    }
}

/// Batches to read, and the ranges to fetch for them.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) entries: Vec<BatchEntry>,
    pub(crate) rows: Range<u64>,
    pub(crate) columns: Columns,
    pub(crate) max_bytes: usize,
    ranges: Vec<Range<u64>>,
}

impl Plan {
    /// The byte ranges to fetch, in order, not overlapping. Each is made of whole checksummed blocks.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// Base offset of the first batch.
    pub fn base_offset(&self) -> i64 {
        self.entries.first().map_or(-1, |entry| entry.base_offset)
    }

    /// The offset after the last batch.
    pub fn next_offset(&self) -> i64 {
        self.entries.last().map_or(-1, |entry| entry.last_offset().saturating_add(1))
    }

    /// Batches in it.
    pub fn batch_count(&self) -> usize {
        self.entries.len()
    }

    /// The part of the side stream that its batches use.
    pub(crate) fn side_range(&self) -> Range<u64> {
        let mut with_side = self.entries.iter().filter(|entry| entry.side_bytes > 0);
        let Some(first) = with_side.next() else {
            return 0..0;
        };
        let last = with_side.next_back().unwrap_or(first);
        first.side_start..last.side_start.saturating_add(u64::from(last.side_bytes))
    }
}

impl Footer {
    /// Plans a fetch: whole batches from the one that holds `offset` (or the first one after it, if
    /// it is in a gap), up to `max_bytes` as they were on the wire, but at least one. `None` if
    /// nothing at or after `offset` is here.
    pub fn plan(&self, offset: i64, max_bytes: usize) -> Result<Option<Plan>, Error> {
        let mut entries: Vec<BatchEntry> = Vec::new();
        let (mut size, mut raw) = (0u64, 0u64);
        let first_chunk = self.table.chunk_at_offset(offset);
        'chunks: for chunk in first_chunk..self.table.chunks.len() {
            for entry in self.table.entries(chunk)? {
                if entry.last_offset() < offset {
                    continue;
                }
                size = size.saturating_add(u64::from(entry.size_bytes));
                raw = raw.saturating_add(u64::from(entry.section_bytes));
                if !entries.is_empty() && (size > max_bytes as u64 || raw > MAX_RAW_BYTES) {
                    break 'chunks;
                }
                entries.push(entry);
            }
        }
        self.plan_of(entries, max_bytes)
    }

    /// Plans reading the first batch from `offset` on that may have a record with this timestamp or a
    /// later one. If it turns out to have none, ask again from its next offset.
    pub fn plan_timestamp(&self, offset: i64, timestamp_ms: i64) -> Result<Option<Plan>, Error> {
        for index in self.table.chunk_at_offset(offset)..self.table.chunks.len() {
            if self.table.chunks.get(index).is_none_or(|chunk| chunk.max_timestamp < timestamp_ms) {
                continue;
            }
            let found = self
                .table
                .entries(index)?
                .into_iter()
                .find(|entry| entry.last_offset() >= offset && entry.max_timestamp >= timestamp_ms);
            if let Some(entry) = found {
                return self.plan_of(vec![entry], usize::MAX);
            }
        }
        Ok(None)
    }

    fn plan_of(&self, entries: Vec<BatchEntry>, max_bytes: usize) -> Result<Option<Plan>, Error> {
        let mut committed = entries.iter().filter(|entry| entry.kind == Kind::Committed && entry.rows() > 0);
        let mut columns = Columns::default();
        committed.clone().for_each(|entry| columns.add(entry));
        let rows = match (committed.next(), committed.next_back()) {
            (None, _) => 0..0,
            (Some(only), None) => only.first_row..only.first_row.saturating_add(only.rows()),
            (Some(first), Some(last)) => first.first_row..last.first_row.saturating_add(last.rows()),
        };
        if entries.is_empty() {
            return Ok(None);
        }
        let mut plan = Plan { entries, rows, columns, max_bytes, ranges: Vec::new() };
        let mut pieces = self.page_ranges(&plan);
        let side = self.table.side_blocks(plan.side_range());
        pieces.extend(side.iter().map(|block| block.position..block.position + u64::from(block.len)));
        plan.ranges = to_blocks(pieces, self.body_len);
        Ok(Some(plan))
    }

    /// Row groups that hold some of `rows`, each with its part of them, counted from its start.
    pub(crate) fn groups(&self, rows: &Range<u64>) -> impl Iterator<Item = (usize, Range<u64>)> {
        let rows = rows.clone();
        let starts = self.group_starts.iter().zip(self.group_starts.iter().skip(1));
        starts.enumerate().filter_map(move |(group, (&start, &end))| {
            let part = rows.start.max(start)..rows.end.min(end);
            (part.start < part.end).then(|| (group, part.start - start..part.end - start))
        })
    }

    /// Where the pages that a plan needs are, dictionary pages included.
    pub(crate) fn page_ranges(&self, plan: &Plan) -> Vec<Range<u64>> {
        let mut ranges = Vec::new();
        for (group, rows) in self.groups(&plan.rows) {
            for leaf in plan.columns.leaves() {
                let column =
                    self.metadata().row_groups().get(group).and_then(|group| group.columns().get(leaf));
                let chunk = column.and_then(chunk_range);
                let (Some((start, _)), Some(index)) = (chunk, self.offset_index(group, leaf)) else {
                    continue;
                };
                let pages = index.page_locations();
                if let Some(first) = pages.first().map(position).filter(|first| *first > start) {
                    ranges.push(start..first);
                }
                ranges.extend(pages_of_rows(pages, &rows).iter().map(page_range));
            }
        }
        ranges
    }
}

/// Where a page begins.
pub(crate) fn position(page: &PageLocation) -> u64 {
    page.offset.unsigned_abs()
}

/// Where a page is.
pub(crate) fn page_range(page: &PageLocation) -> Range<u64> {
    position(page)..position(page) + u64::from(page.compressed_page_size.unsigned_abs())
}

fn pages_of_rows<'a>(pages: &'a [PageLocation], rows: &Range<u64>) -> &'a [PageLocation] {
    let after_start = pages.partition_point(|page| page.first_row_index.unsigned_abs() <= rows.start);
    let end = pages.partition_point(|page| page.first_row_index.unsigned_abs() < rows.end);
    pages.get(after_start.saturating_sub(1)..end).unwrap_or_default()
}

/// Widens ranges to whole blocks and merges those that touch; what remains is a block or more apart.
fn to_blocks(mut pieces: Vec<Range<u64>>, body_len: u64) -> Vec<Range<u64>> {
    pieces.sort_by_key(|piece| piece.start);
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for piece in pieces {
        let start = piece.start / BLOCK_BYTES * BLOCK_BYTES;
        let end = (piece.end.div_ceil(BLOCK_BYTES) * BLOCK_BYTES).min(body_len);
        match ranges.last_mut() {
            Some(last) if start <= last.end => last.end = last.end.max(end),
            _ => ranges.push(start..end),
        }
    }
    ranges
}
