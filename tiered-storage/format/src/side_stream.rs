//! The side stream: bytes of batches that have no place in the columns.
//!
//! For an aborted or control batch that is its whole uncompressed record section. For a committed
//! batch it is usually nothing; as its entry's flags say, it is first one signed varint per record
//! (its exact timestamp delta), then, for each header key that is not UTF-8, three unsigned varints
//! (record, header, length) and the key.
//!
//! The stream is cut into blocks of about 1 MiB at batch boundaries, each compressed with zstd and
//! written into the file body between row groups.

use std::io::Write;

use parquet::file::writer::SerializedFileWriter;

use crate::error::{Error, corrupt};
use crate::table::{MAX_SIDE_BLOCK_BYTES, SideBlock, TableBuilder};
use crate::varint::{Cursor, put_unsigned};

const BLOCK_TARGET_BYTES: usize = 1 << 20;

/// Collects the side stream while an object is written.
#[derive(Default)]
pub(crate) struct SideWriter {
    pending: Vec<u8>,
    start: u64,
}

impl SideWriter {
    /// Length of the stream so far.
    pub(crate) fn position(&self) -> u64 {
        self.start + self.pending.len() as u64
    }

    /// Where a batch's bytes are appended.
    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    /// Writes a block if enough has gathered.
    pub(crate) fn close_block_if_due<W: Write + Send>(
        &mut self,
        file: &mut SerializedFileWriter<W>,
        table: &mut TableBuilder,
    ) -> Result<(), Error> {
        if self.pending.len() < BLOCK_TARGET_BYTES {
            return Ok(());
        }
        self.close_block(file, table)
    }

    /// Writes what has gathered.
    pub(crate) fn close_block<W: Write + Send>(
        &mut self,
        file: &mut SerializedFileWriter<W>,
        table: &mut TableBuilder,
    ) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let raw_len = u32::try_from(self.pending.len()).ok().filter(|len| *len <= MAX_SIDE_BLOCK_BYTES);
        let raw_len = raw_len.ok_or_else(|| corrupt("a side block is too large"))?;
        let compressed = zstd::bulk::compress(&self.pending, 1)?;
        let len = u32::try_from(compressed.len()).map_err(|_| corrupt("a side block is too large"))?;
        let position = file.bytes_written() as u64;
        file.write_all(&compressed)?;
        table.push_side_block(SideBlock { position, len, start: self.start, raw_len });
        self.start += u64::from(raw_len);
        self.pending.clear();
        Ok(())
    }
}

/// Appends a header key that is not UTF-8.
pub(crate) fn put_odd_header_key(out: &mut Vec<u8>, record: usize, header: usize, key: &[u8]) {
    put_unsigned(out, record as u64);
    put_unsigned(out, header as u64);
    put_unsigned(out, key.len() as u64);
    out.extend_from_slice(key);
}

/// A header key that is not UTF-8: record in the batch, header in the record, bytes.
pub(crate) type OddKey<'a> = (u64, u64, &'a [u8]);

/// Reads the header keys that are not UTF-8, up to the end of a batch's part of the side stream.
pub(crate) fn read_odd_header_keys<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<OddKey<'a>>, Error> {
    let mut keys = Vec::new();
    while !cursor.rest().is_empty() {
        let (record, header) = (cursor.unsigned()?, cursor.unsigned()?);
        let len = usize::try_from(cursor.unsigned()?).unwrap_or(usize::MAX);
        keys.push((record, header, cursor.take(len)?));
    }
    Ok(keys)
}
