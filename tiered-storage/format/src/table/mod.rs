//! The batch table: everything the Kafka protocol needs that is not a column.
//!
//! It lies in the file body, after the last row group and before Parquet's page index, so that
//! Parquet readers never look at it. From its first byte to the end of the file is the object's
//! *footer*, what a reader fetches first.
//!
//! ```text
//! header     magic "TMBT", version u8 = 1, 3 zero bytes, body_crc32c u32, table_crc32c u32,
//!            table_len u64 (header included), directory_len u32, batch_count u64    (all little-endian)
//! directory  varints: the chunks, the blocks of the side stream, the block size
//! checksums  CRC-32C (u32) of each 64 KiB block of the file before the table
//! chunks     the entries, 128 to a chunk, see `entry.rs`
//! ```
//!
//! `table_crc32c` covers the table after the header. `body_crc32c` covers every byte of the file
//! before the table: combined with the checksum of the bytes from the table on, it gives that of the
//! whole object, so whoever knows the object's CRC-32C can trust the footer, and with it every
//! block, without reading the body.

mod builder;
mod entry;

use std::ops::Range;

use bytes::Bytes;

use crate::error::{Error, corrupt};
use crate::varint::Cursor;

pub(crate) use builder::TableBuilder;
pub(crate) use entry::{BatchEntry, Kind, MAX_CHUNK_ENTRIES, Shape};

/// The version written, and the newest one read.
pub const FORMAT_VERSION: u8 = 1;
/// Size of the blocks that carry a checksum each.
pub const BLOCK_BYTES: u64 = 64 * 1024;
/// Largest block of the side stream once decompressed; the writer closes one at 1 MiB, but a single
/// batch is never split.
pub(crate) const MAX_SIDE_BLOCK_BYTES: u32 = 512 * 1024 * 1024;

const MAGIC: &[u8; 4] = b"TMBT";
const HEADER_BYTES: usize = 36;

/// A run of entries, still encoded.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    /// Entries in it.
    pub(crate) count: usize,
    /// Base offset of its first batch.
    pub(crate) base_offset: i64,
    /// Last offset of its last batch.
    pub(crate) last_offset: i64,
    /// First row of its first batch.
    pub(crate) first_row: u64,
    /// Rows in it.
    pub(crate) rows: u64,
    /// Where its part of the side stream begins.
    pub(crate) side_start: u64,
    /// Largest `max_timestamp` of its batches.
    pub(crate) max_timestamp: i64,
    blob: Range<usize>,
}

/// A compressed piece of the side stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SideBlock {
    /// Position in the file.
    pub(crate) position: u64,
    /// Length in the file.
    pub(crate) len: u32,
    /// Where it begins in the side stream.
    pub(crate) start: u64,
    /// Its length in the side stream.
    pub(crate) raw_len: u32,
}

impl SideBlock {
    /// The offset after its last byte in the side stream.
    pub(crate) fn end(&self) -> u64 {
        self.start.saturating_add(u64::from(self.raw_len))
    }
}

/// A parsed batch table. Entries are decoded chunk by chunk on demand.
#[derive(Clone, Debug)]
pub(crate) struct BatchTable {
    bytes: Bytes,
    pub(crate) body_crc32c: u32,
    pub(crate) len: u64,
    pub(crate) batch_count: u64,
    pub(crate) rows: u64,
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) side_blocks: Vec<SideBlock>,
    pub(crate) block_crcs: Vec<u32>,
}

impl BatchTable {
    /// Parses the table at the start of `tail`, for a file whose first `body_len` bytes come before it.
    pub(crate) fn parse(tail: &Bytes, body_len: u64) -> Result<Self, Error> {
        let mut header = Cursor::new(tail);
        if header.array::<4>()? != *MAGIC {
            return Err(corrupt("no batch table where it should be"));
        }
        let [version, ..] = header.array::<4>()?;
        if version != FORMAT_VERSION {
            return Err(Error::Version(version, FORMAT_VERSION));
        }
        let body_crc32c = header.fixed_u32()?;
        let table_crc32c = header.fixed_u32()?;
        let len = header.fixed_u64()?;
        let directory_len = header.fixed_u32()?;
        let batch_count = header.fixed_u64()?;
        let end = usize::try_from(len).ok().filter(|end| (HEADER_BYTES..=tail.len()).contains(end));
        let end = end.ok_or_else(|| corrupt("the batch table's length is wrong"))?;
        let bytes = tail.slice(HEADER_BYTES..end);
        if crc32c::crc32c(&bytes) != table_crc32c {
            return Err(Error::Checksum { position: body_len });
        }
        let mut table = BatchTable {
            bytes,
            body_crc32c,
            len,
            batch_count,
            rows: 0,
            chunks: Vec::new(),
            side_blocks: Vec::new(),
            block_crcs: Vec::new(),
        };
        table.parse_directory(directory_len as usize, body_len)?;
        Ok(table)
    }

    fn parse_directory(&mut self, directory_len: usize, body_len: u64) -> Result<(), Error> {
        let bytes = self.bytes.clone();
        let mut rest = Cursor::new(&bytes);
        let mut directory = Cursor::new(rest.take(directory_len)?);
        let checksums = body_len.div_ceil(BLOCK_BYTES);
        let crc_bytes = usize::try_from(checksums.saturating_mul(4)).map_err(|_| corrupt("file too long"))?;
        let mut crcs = Cursor::new(rest.take(crc_bytes)?);
        self.block_crcs = (0..checksums).map(|_| crcs.fixed_u32()).collect::<Result<_, _>>()?;
        let blobs_start = directory_len.saturating_add(crc_bytes);
        self.parse_chunks(&mut directory, blobs_start)?;
        self.parse_side_blocks(&mut directory, body_len)?;
        if directory.unsigned()? != BLOCK_BYTES || !directory.rest().is_empty() {
            return Err(corrupt("the batch table's directory is malformed"));
        }
        Ok(())
    }

    fn parse_chunks(&mut self, directory: &mut Cursor<'_>, mut blob_start: usize) -> Result<(), Error> {
        let count = directory.unsigned()?;
        let (mut next_offset, mut side_start, mut batches) = (0i64, 0u64, 0u64);
        for _ in 0..count {
            let entries = directory.unsigned()?;
            let base_offset = next_offset.saturating_add(directory.signed()?);
            let last_offset = base_offset.saturating_add(directory.signed()?);
            let rows = directory.unsigned()?;
            let side = directory.unsigned()?;
            let max_timestamp = directory.signed()?;
            let blob_len = usize::try_from(directory.unsigned()?).unwrap_or(usize::MAX);
            let blob = blob_start..blob_start.saturating_add(blob_len);
            let sane = entries > 0 && entries <= MAX_CHUNK_ENTRIES as u64 && blob.end <= self.bytes.len();
            if !sane || base_offset < next_offset || last_offset < base_offset {
                return Err(corrupt("the batch table's directory is malformed"));
            }
            blob_start = blob.end;
            self.chunks.push(Chunk {
                count: entries as usize,
                base_offset,
                last_offset,
                first_row: self.rows,
                rows,
                side_start,
                max_timestamp,
                blob,
            });
            batches = batches.saturating_add(entries);
            self.rows = self.rows.saturating_add(rows);
            side_start = side_start.saturating_add(side);
            next_offset = last_offset.saturating_add(1);
        }
        if batches != self.batch_count || blob_start != self.bytes.len() {
            return Err(corrupt("the batch table's counts do not add up"));
        }
        Ok(())
    }

    fn parse_side_blocks(&mut self, directory: &mut Cursor<'_>, body_len: u64) -> Result<(), Error> {
        let count = directory.unsigned()?;
        let mut start = 0u64;
        for _ in 0..count {
            let position = directory.unsigned()?;
            let len = u32::try_from(directory.unsigned()?).unwrap_or(u32::MAX);
            let raw_len = u32::try_from(directory.unsigned()?).unwrap_or(u32::MAX);
            let end = position.saturating_add(u64::from(len));
            if end > body_len || raw_len > MAX_SIDE_BLOCK_BYTES {
                return Err(corrupt("a side block is out of bounds"));
            }
            let block = SideBlock { position, len, start, raw_len };
            start = block.end();
            self.side_blocks.push(block);
        }
        Ok(())
    }

    /// The chunk that holds the first batch whose last offset is at or after `offset`.
    pub(crate) fn chunk_at_offset(&self, offset: i64) -> usize {
        self.chunks.partition_point(|chunk| chunk.last_offset < offset)
    }

    /// Decodes a chunk's entries; empty past the end.
    pub(crate) fn entries(&self, chunk: usize) -> Result<Vec<BatchEntry>, Error> {
        let Some(chunk) = self.chunks.get(chunk) else {
            return Ok(Vec::new());
        };
        let blob = self.bytes.get(chunk.blob.clone()).unwrap_or_default();
        let entries =
            entry::decode_chunk(blob, chunk.count, chunk.base_offset, chunk.first_row, chunk.side_start)?;
        let rows: u64 = entries.iter().map(BatchEntry::rows).sum();
        let last = entries.last().map(BatchEntry::last_offset);
        let first = entries.first().map(|entry| entry.base_offset);
        if rows != chunk.rows || last != Some(chunk.last_offset) || first != Some(chunk.base_offset) {
            return Err(corrupt("a chunk of the batch table disagrees with its directory"));
        }
        Ok(entries)
    }

    /// The side blocks that hold `range` of the side stream.
    pub(crate) fn side_blocks(&self, range: Range<u64>) -> &[SideBlock] {
        let from = self.side_blocks.partition_point(|block| block.end() <= range.start);
        let to = self.side_blocks.partition_point(|block| block.start < range.end);
        self.side_blocks.get(from..to.max(from)).unwrap_or_default()
    }

    /// Bytes this table holds in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.len()
            + self.chunks.len() * size_of::<Chunk>()
            + self.side_blocks.len() * size_of::<SideBlock>()
            + self.block_crcs.len() * 4
    }
}
