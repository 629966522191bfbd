//! One batch in the batch table, and how a run of them is encoded.
//!
//! A chunk stores its entries column by column, every field as the signed varint of its difference
//! from what the entry before makes likely, and then compresses the whole with zstd. A usual batch
//! costs five to seven bytes.

use crate::error::{Error, corrupt};
use crate::page_codec;
use crate::varint::{Cursor, put_signed};

/// Entries in a chunk: what a fetch has to decode to find its batches.
pub(crate) const CHUNK_ENTRIES: usize = 128;
/// Entries that a chunk may have.
pub(crate) const MAX_CHUNK_ENTRIES: usize = 1024;
/// Numbers stored per entry.
const FIELDS: usize = 15;
/// Longest varint.
const MAX_VARINT: usize = 10;
/// Upper bound of a chunk before compression.
const MAX_CHUNK_BYTES: usize = MAX_CHUNK_ENTRIES * FIELDS * MAX_VARINT;

/// Where the records of a batch are, and who may see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    /// In the Parquet columns.
    #[default]
    Committed,
    /// In the side stream: an aborted transaction's data.
    Aborted,
    /// In the side stream: a control batch.
    Control,
}

/// What is known of the records of a committed batch; lets a fetch leave columns unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Shape {
    /// Some record has a key.
    pub(crate) keys: bool,
    /// Some record has headers.
    pub(crate) headers: bool,
    /// Every timestamp delta is zero.
    pub(crate) flat_times: bool,
    /// Offset deltas are 0, 1, 2, …
    pub(crate) dense: bool,
    /// Timestamp deltas are in the side stream, because the column does not hold them.
    pub(crate) side_times: bool,
    /// Header keys that are not UTF-8 are in the side stream.
    pub(crate) side_header_keys: bool,
}

impl Shape {
    fn to_bits(self) -> u8 {
        u8::from(self.keys) << 2
            | u8::from(self.headers) << 3
            | u8::from(self.flat_times) << 4
            | u8::from(self.dense) << 5
            | u8::from(self.side_times) << 6
            | u8::from(self.side_header_keys) << 7
    }

    fn from_bits(bits: u8) -> Self {
        Shape {
            keys: bits & 1 << 2 != 0,
            headers: bits & 1 << 3 != 0,
            flat_times: bits & 1 << 4 != 0,
            dense: bits & 1 << 5 != 0,
            side_times: bits & 1 << 6 != 0,
            side_header_keys: bits & 1 << 7 != 0,
        }
    }
}

/// One batch: its header, and where its records are.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct BatchEntry {
    pub(crate) base_offset: i64,
    pub(crate) last_offset_delta: i32,
    pub(crate) record_count: i32,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) attributes: i16,
    pub(crate) leader_epoch: i32,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    /// The batch's size as it was on the wire.
    pub(crate) size_bytes: u32,
    /// The record section's size, uncompressed.
    pub(crate) section_bytes: u32,
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
    /// This batch's part of the side stream.
    pub(crate) side_bytes: u32,
    /// Aborted batches: where their transaction began. Otherwise the base offset.
    pub(crate) transaction_start: i64,
    /// First row of the batch in the columns; rows of earlier batches come before it.
    pub(crate) first_row: u64,
    /// Start of the batch's part of the side stream.
    pub(crate) side_start: u64,
}

impl BatchEntry {
    /// The entry "before" the first one of a chunk.
    fn before(base_offset: i64, first_row: u64, side_start: u64) -> Self {
        BatchEntry {
            base_offset: base_offset.wrapping_sub(1),
            first_row,
            side_start,
            leader_epoch: -1,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            ..BatchEntry::default()
        }
    }

    /// Offset of the batch's last record.
    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    /// Rows of this batch in the columns.
    pub(crate) fn rows(&self) -> u64 {
        match self.kind {
            Kind::Committed => u64::try_from(self.record_count).unwrap_or(0),
            Kind::Aborted | Kind::Control => 0,
        }
    }

    fn next_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return self.base_sequence;
        }
        self.base_sequence.wrapping_add(self.record_count)
    }

    fn deltas(&self, prev: &BatchEntry) -> [i64; FIELDS] {
        let kind = match self.kind {
            Kind::Committed => 0,
            Kind::Aborted => 1,
            Kind::Control => 2,
        };
        [
            self.base_offset.wrapping_sub(prev.last_offset().wrapping_add(1)),
            i64::from(self.last_offset_delta),
            i64::from(self.record_count) - i64::from(self.last_offset_delta) - 1,
            self.base_timestamp.wrapping_sub(prev.base_timestamp),
            self.max_timestamp.wrapping_sub(self.base_timestamp),
            i64::from(self.attributes),
            i64::from(self.leader_epoch) - i64::from(prev.leader_epoch),
            self.producer_id.wrapping_sub(prev.producer_id),
            i64::from(self.producer_epoch) - i64::from(prev.producer_epoch),
            i64::from(self.base_sequence) - i64::from(prev.next_sequence()),
            i64::from(self.size_bytes),
            i64::from(self.section_bytes),
            i64::from(self.shape.to_bits() | kind),
            i64::from(self.side_bytes),
            self.base_offset.wrapping_sub(self.transaction_start),
        ]
    }

    fn from_deltas(prev: &BatchEntry, deltas: [i64; FIELDS]) -> Result<Self, Error> {
        let [offset, last, count, time, max_time, attributes, epoch, producer, producer_epoch, rest @ ..] =
            deltas;
        let [sequence, size, section, flags, side, transaction] = rest;
        let flags: u8 = narrow(flags)?;
        let kind = match flags & 3 {
            0 => Kind::Committed,
            1 => Kind::Aborted,
            2 => Kind::Control,
            _ => return Err(corrupt("a batch of no known kind")),
        };
        let base_offset = prev.last_offset().wrapping_add(1).wrapping_add(offset);
        let base_timestamp = prev.base_timestamp.wrapping_add(time);
        let entry = BatchEntry {
            base_offset,
            last_offset_delta: narrow(last)?,
            record_count: narrow(count.saturating_add(last).saturating_add(1))?,
            base_timestamp,
            max_timestamp: base_timestamp.wrapping_add(max_time),
            attributes: narrow(attributes)?,
            leader_epoch: narrow(epoch.saturating_add(i64::from(prev.leader_epoch)))?,
            producer_id: prev.producer_id.wrapping_add(producer),
            producer_epoch: narrow(producer_epoch.saturating_add(i64::from(prev.producer_epoch)))?,
            base_sequence: narrow(sequence.saturating_add(i64::from(prev.next_sequence())))?,
            size_bytes: narrow(size)?,
            section_bytes: narrow(section)?,
            kind,
            shape: Shape::from_bits(flags),
            side_bytes: narrow(side)?,
            transaction_start: base_offset.wrapping_sub(transaction),
            first_row: prev.first_row.saturating_add(prev.rows()),
            side_start: prev.side_start.saturating_add(u64::from(prev.side_bytes)),
        };
        entry.check(prev)?;
        Ok(entry)
    }

    fn check(&self, prev: &BatchEntry) -> Result<(), Error> {
        let fits = self.base_offset.checked_add(i64::from(self.last_offset_delta)).is_some();
        let ordered = self.base_offset > prev.last_offset() && self.base_offset >= 0;
        let counted =
            self.record_count >= 0 && i64::from(self.record_count) <= i64::from(self.last_offset_delta) + 1;
        if fits && ordered && counted && self.last_offset_delta >= 0 {
            return Ok(());
        }
        Err(corrupt(format!("impossible batch at offset {}", self.base_offset)))
    }
}

fn narrow<T: TryFrom<i64>>(value: i64) -> Result<T, Error> {
    T::try_from(value).map_err(|_| corrupt("a number in the batch table is out of range"))
}

/// Encodes and compresses a run of entries.
pub(crate) fn encode_chunk(entries: &[BatchEntry]) -> Result<Vec<u8>, Error> {
    let Some(first) = entries.first() else {
        return Ok(Vec::new());
    };
    let mut rows = Vec::with_capacity(entries.len());
    let mut prev = &BatchEntry::before(first.base_offset, 0, 0);
    for entry in entries {
        rows.push(entry.deltas(prev));
        prev = entry;
    }
    let mut plain = Vec::with_capacity(entries.len() * FIELDS);
    for field in 0..FIELDS {
        for row in &rows {
            put_signed(&mut plain, row.get(field).copied().unwrap_or(0));
        }
    }
    Ok(zstd::bulk::compress(&plain, 1)?)
}

/// Decodes a run of `count` entries whose first one begins at the given offset, row and position in
/// the side stream.
pub(crate) fn decode_chunk(
    blob: &[u8],
    count: usize,
    base_offset: i64,
    first_row: u64,
    side_start: u64,
) -> Result<Vec<BatchEntry>, Error> {
    if count > MAX_CHUNK_ENTRIES {
        return Err(corrupt("a chunk of the batch table is too large"));
    }
    let plain = page_codec::unzstd(blob, MAX_CHUNK_BYTES)
        .map_err(|_| corrupt("a chunk of the batch table does not decompress"))?;
    let mut rows = vec![[0i64; FIELDS]; count];
    let mut cursor = Cursor::new(&plain);
    for field in 0..FIELDS {
        for row in &mut rows {
            let value = cursor.signed()?;
            if let Some(slot) = row.get_mut(field) {
                *slot = value;
            }
        }
    }
    let mut entries = Vec::with_capacity(count);
    let mut prev = BatchEntry::before(base_offset, first_row, side_start);
    for row in rows {
        let entry = BatchEntry::from_deltas(&prev, row)?;
        prev = entry.clone();
        entries.push(entry);
    }
    Ok(entries)
}
