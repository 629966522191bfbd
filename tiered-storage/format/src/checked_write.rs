//! A writer that checksums what passes through it.

use std::io::{self, Write};

use crate::table::BLOCK_BYTES;

/// Counts bytes and computes the CRC-32C of everything and of each block.
pub(crate) struct CheckedWrite<W> {
    inner: W,
    len: u64,
    crc32c: u32,
    block_crcs: Vec<u32>,
    open_crc: u32,
}

impl<W: Write> CheckedWrite<W> {
    /// Nothing written yet.
    pub(crate) fn new(inner: W) -> Self {
        CheckedWrite { inner, len: 0, crc32c: 0, block_crcs: Vec::new(), open_crc: 0 }
    }

    /// Bytes written.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// CRC-32C of everything written.
    pub(crate) fn crc32c(&self) -> u32 {
        self.crc32c
    }

    /// CRC-32C of each block written so far; the last one may be short.
    pub(crate) fn block_crcs(&self) -> Vec<u32> {
        let mut crcs = self.block_crcs.clone();
        if !self.len.is_multiple_of(BLOCK_BYTES) {
            crcs.push(self.open_crc);
        }
        crcs
    }

    /// Sums twice: putting the sum of everything together from those of the blocks costs more.
    fn account(&mut self, mut bytes: &[u8]) {
        self.crc32c = crc32c::crc32c_append(self.crc32c, bytes);
        while !bytes.is_empty() {
            let room = (BLOCK_BYTES - self.len % BLOCK_BYTES) as usize;
            let (block, rest) = bytes.split_at(room.min(bytes.len()));
            self.open_crc = crc32c::crc32c_append(self.open_crc, block);
            self.len += block.len() as u64;
            if self.len.is_multiple_of(BLOCK_BYTES) {
                self.block_crcs.push(self.open_crc);
                self.open_crc = 0;
            }
            bytes = rest;
        }
    }
}

impl<W: Write> Write for CheckedWrite<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buf)?;
        self.account(buf.get(..written).unwrap_or(buf));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_do_not_depend_on_how_it_is_written() {
        let data: Vec<u8> = (0..200_000u32).map(|i| (i * 7) as u8).collect();
        let mut whole = CheckedWrite::new(Vec::new());
        whole.write_all(&data).unwrap();
        let mut pieces = CheckedWrite::new(Vec::new());
        for piece in data.chunks(999) {
            pieces.write_all(piece).unwrap();
        }
        let expected: Vec<u32> = data.chunks(BLOCK_BYTES as usize).map(crc32c::crc32c).collect();
        for writer in [whole, pieces] {
            assert_eq!(writer.block_crcs(), expected);
            assert_eq!(writer.crc32c(), crc32c::crc32c(&data));
            assert_eq!(writer.len(), data.len() as u64);
        }
    }
}
