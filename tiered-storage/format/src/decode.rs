//! Decoding planned ranges into record batches.

use std::collections::BTreeSet;

use bytes::Bytes;
use tidemill_records::{Compression, RecordBatch, Records};

use crate::batch_encoder::BatchEncoder;
use crate::error::{Error, corrupt};
use crate::footer::{Footer, guard};
use crate::page_codec;
use crate::plan::Plan;
use crate::row_reader::RowReader;
use crate::side_stream::read_odd_header_keys;
use crate::sparse_file::SparseFile;
use crate::table::{BLOCK_BYTES, BatchEntry, Kind};
use crate::varint::Cursor;

/// The compression of the batches that a read makes. Control batches are never compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Codec {
    /// Each batch's own, as its producer chose it.
    #[default]
    AsProduced,
    /// This one.
    Fixed(Compression),
}

/// A transaction that was aborted, for consumers that read committed data only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AbortedTransaction {
    /// Its producer.
    pub producer_id: i64,
    /// Where it began.
    pub first_offset: i64,
}

/// What a plan's ranges held.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Whole batches in offset order.
    pub batches: Vec<RecordBatch>,
    /// Aborted transactions with data among them, by first offset.
    pub aborted: Vec<AbortedTransaction>,
    /// Where the next read begins.
    pub next_offset: i64,
}

impl Footer {
    /// Decodes the bytes of a plan's ranges, given in the plan's order. Every block is checked first.
    ///
    /// Batches that come out larger than they once were may exceed the plan's `max_bytes`; those
    /// after the first that would are left for the next read.
    pub fn decode(&self, plan: &Plan, bytes: Vec<Bytes>, codec: Codec) -> Result<Decoded, Error> {
        let file = self.checked(plan, bytes)?;
        guard(|| self.decode_entries(plan, &file, codec))
    }

    /// Puts fetched ranges together, once each of their blocks matches its checksum.
    fn checked(&self, plan: &Plan, bytes: Vec<Bytes>) -> Result<SparseFile, Error> {
        if plan.ranges().len() != bytes.len() {
            return Err(corrupt("not the ranges that were planned"));
        }
        let mut pieces = Vec::with_capacity(bytes.len());
        for (range, piece) in plan.ranges().iter().zip(bytes) {
            if piece.len() as u64 != range.end - range.start {
                return Err(corrupt(format!(
                    "{} bytes at {} instead of {range:?}",
                    piece.len(),
                    range.start
                )));
            }
            let first = range.start / BLOCK_BYTES;
            for (index, block) in (first..).zip(piece.chunks(BLOCK_BYTES as usize)) {
                let expected = usize::try_from(index).ok().and_then(|index| self.table.block_crcs.get(index));
                if expected != Some(&crc32c::crc32c(block)) {
                    return Err(Error::Checksum { position: index * BLOCK_BYTES });
                }
            }
            pieces.push((range.start, piece));
        }
        Ok(SparseFile::new(self.length_bytes, pieces))
    }

    fn decode_entries(&self, plan: &Plan, file: &SparseFile, codec: Codec) -> Result<Decoded, Error> {
        let side = Side::read(self, plan, file)?;
        let mut rows = RowReader::new(self, plan, file);
        let mut batches = Vec::with_capacity(plan.entries.len());
        let mut aborted = BTreeSet::new();
        let (mut size, mut next_offset) = (0usize, plan.base_offset());
        for entry in &plan.entries {
            let side = side.of(entry)?;
            let batch = match entry.kind {
                Kind::Committed => decode_committed(entry, side, &mut rows, codec)?,
                Kind::Aborted => BatchEncoder::around(side).finish(entry, codec)?,
                Kind::Control => BatchEncoder::around(side).finish(entry, Codec::Fixed(Compression::None))?,
            };
            size = size.saturating_add(batch.size_bytes());
            if size > plan.max_bytes && !batches.is_empty() {
                break;
            }
            if entry.kind == Kind::Aborted {
                aborted.insert((entry.transaction_start, entry.producer_id));
            }
            next_offset = entry.last_offset().saturating_add(1);
            batches.push(batch);
        }
        let aborted = aborted
            .into_iter()
            .map(|(first_offset, producer_id)| AbortedTransaction { producer_id, first_offset })
            .collect();
        Ok(Decoded { batches, aborted, next_offset })
    }
}

/// The first record at or after `offset` whose timestamp is `timestamp_ms` or later, with its timestamp.
/// Nobody looks for a marker.
pub fn first_at_or_after(
    batch: &RecordBatch,
    offset: i64,
    timestamp_ms: i64,
) -> Result<Option<(i64, i64)>, Error> {
    if batch.is_control() {
        return Ok(None);
    }
    let section = batch.uncompressed_records(crate::table::MAX_SIDE_BLOCK_BYTES as usize)?;
    for record in Records::new(&section, batch.record_count()) {
        let record = record?;
        let (found, timestamp) = (batch.offset_of(&record), batch.timestamp_of(&record));
        if found >= offset && timestamp >= timestamp_ms {
            return Ok(Some((found, timestamp)));
        }
    }
    Ok(None)
}

/// The decompressed part of the side stream that a plan uses.
struct Side {
    start: u64,
    bytes: Vec<u8>,
}

impl Side {
    fn read(footer: &Footer, plan: &Plan, file: &SparseFile) -> Result<Self, Error> {
        let blocks = footer.table.side_blocks(plan.side_range());
        let mut side = Side { start: blocks.first().map_or(0, |block| block.start), bytes: Vec::new() };
        for block in blocks {
            let compressed = file
                .slice(block.position..block.position + u64::from(block.len))
                .ok_or_else(|| corrupt("a side block was not fetched"))?;
            let raw = page_codec::unzstd(&compressed, block.raw_len as usize)
                .map_err(|_| corrupt("a side block does not decompress"))?;
            if raw.len() != block.raw_len as usize {
                return Err(corrupt("a side block has the wrong length"));
            }
            side.bytes.extend_from_slice(&raw);
        }
        Ok(side)
    }

    /// A batch's part.
    fn of(&self, entry: &BatchEntry) -> Result<&[u8], Error> {
        if entry.side_bytes == 0 {
            return Ok(&[]);
        }
        let from = entry.side_start.checked_sub(self.start).and_then(|from| usize::try_from(from).ok());
        let range = from.and_then(|from| Some(from..from.checked_add(entry.side_bytes as usize)?));
        range.and_then(|range| self.bytes.get(range)).ok_or_else(|| corrupt("the side stream is too short"))
    }
}

fn decode_committed(
    entry: &BatchEntry,
    side: &[u8],
    rows: &mut RowReader<'_>,
    codec: Codec,
) -> Result<RecordBatch, Error> {
    let mut cursor = Cursor::new(side);
    let mut deltas = Vec::new();
    if entry.shape.side_times {
        for _ in 0..entry.record_count {
            deltas.push(cursor.signed()?);
        }
    }
    let odd_keys = if entry.shape.side_header_keys { read_odd_header_keys(&mut cursor)? } else { Vec::new() };
    let mut odd_keys = odd_keys.into_iter().peekable();
    let mut deltas = deltas.into_iter();
    let mut encoder = BatchEncoder::with_capacity(entry.section_bytes as usize);
    for index in 0..u64::from(entry.record_count.unsigned_abs()) {
        let row = rows.next()?;
        let offset_delta = match row.offset() {
            Some(offset) if !entry.shape.dense => offset.wrapping_sub(entry.base_offset),
            _ => index as i64,
        };
        let timestamp_delta = match (deltas.next(), row.timestamp_ms()) {
            (Some(delta), _) => delta,
            (None, Some(timestamp)) if !entry.shape.flat_times => {
                timestamp.wrapping_sub(entry.base_timestamp)
            }
            _ => 0,
        };
        let mut odd = Vec::new();
        while let Some(key) = odd_keys.next_if(|(record, ..)| *record == index) {
            odd.push(key);
        }
        encoder.push(offset_delta, timestamp_delta, &row, &odd);
        if encoder.section_bytes() > entry.section_bytes as usize {
            return Err(corrupt(format!("batch {} is larger than it was", entry.base_offset)));
        }
    }
    encoder.finish(entry, codec)
}
