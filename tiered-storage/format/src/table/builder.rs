//! Collects the batch table while an object is written.

use crate::error::Error;
use crate::table::entry::{BatchEntry, CHUNK_ENTRIES, encode_chunk};
use crate::table::{BLOCK_BYTES, FORMAT_VERSION, HEADER_BYTES, MAGIC, SideBlock};
use crate::varint::{put_signed, put_unsigned};

/// Builds a [`BatchTable`](super::BatchTable). Holds at most one chunk of entries unencoded.
#[derive(Default)]
pub(crate) struct TableBuilder {
    open: Vec<BatchEntry>,
    directory: Vec<u8>,
    chunk_count: u64,
    blobs: Vec<u8>,
    next_offset: i64,
    batch_count: u64,
    side_blocks: Vec<SideBlock>,
}

impl TableBuilder {
    /// Adds the next batch.
    pub(crate) fn push(&mut self, entry: BatchEntry) -> Result<(), Error> {
        self.open.push(entry);
        self.batch_count += 1;
        if self.open.len() == CHUNK_ENTRIES {
            self.close_chunk()?;
        }
        Ok(())
    }

    /// Adds the next block of the side stream.
    pub(crate) fn push_side_block(&mut self, block: SideBlock) {
        self.side_blocks.push(block);
    }

    /// Batches so far.
    pub(crate) fn batch_count(&self) -> u64 {
        self.batch_count
    }

    fn close_chunk(&mut self) -> Result<(), Error> {
        let (Some(first), Some(last)) = (self.open.first(), self.open.last()) else {
            return Ok(());
        };
        let blob = encode_chunk(&self.open)?;
        let rows = self.open.iter().map(BatchEntry::rows).sum();
        let side = self.open.iter().map(|entry| u64::from(entry.side_bytes)).sum();
        let max_timestamp = self.open.iter().map(|entry| entry.max_timestamp).max().unwrap_or(-1);
        put_unsigned(&mut self.directory, self.open.len() as u64);
        put_signed(&mut self.directory, first.base_offset.wrapping_sub(self.next_offset));
        put_signed(&mut self.directory, last.last_offset().wrapping_sub(first.base_offset));
        put_unsigned(&mut self.directory, rows);
        put_unsigned(&mut self.directory, side);
        put_signed(&mut self.directory, max_timestamp);
        put_unsigned(&mut self.directory, blob.len() as u64);
        self.next_offset = last.last_offset().wrapping_add(1);
        self.chunk_count += 1;
        self.blobs.extend_from_slice(&blob);
        self.open.clear();
        Ok(())
    }

    /// Encodes the table for a body with these checksums.
    pub(crate) fn finish(mut self, body_crc32c: u32, block_crcs: &[u32]) -> Result<Vec<u8>, Error> {
        self.close_chunk()?;
        let mut directory = Vec::with_capacity(self.directory.len() + 64);
        put_unsigned(&mut directory, self.chunk_count);
        directory.append(&mut self.directory);
        put_unsigned(&mut directory, self.side_blocks.len() as u64);
        for block in &self.side_blocks {
            put_unsigned(&mut directory, block.position);
            put_unsigned(&mut directory, u64::from(block.len));
            put_unsigned(&mut directory, u64::from(block.raw_len));
        }
        put_unsigned(&mut directory, BLOCK_BYTES);
        let directory_len = directory.len() as u32;

        let mut payload = directory;
        payload.extend(block_crcs.iter().flat_map(|crc| crc.to_le_bytes()));
        payload.append(&mut self.blobs);

        let mut table = Vec::with_capacity(HEADER_BYTES + payload.len());
        table.extend_from_slice(MAGIC);
        table.extend_from_slice(&[FORMAT_VERSION, 0, 0, 0]);
        table.extend_from_slice(&body_crc32c.to_le_bytes());
        table.extend_from_slice(&crc32c::crc32c(&payload).to_le_bytes());
        table.extend_from_slice(&((HEADER_BYTES + payload.len()) as u64).to_le_bytes());
        table.extend_from_slice(&directory_len.to_le_bytes());
        table.extend_from_slice(&self.batch_count.to_le_bytes());
        table.append(&mut payload);
        Ok(table)
    }
}
