//! The pieces of a file that have been fetched, presented to the Parquet decoder as the file.

use std::io::Cursor;
use std::ops::Range;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// Pieces by position. Reading what was not fetched is an error, never a wait.
#[derive(Clone, Debug)]
pub(crate) struct SparseFile {
    len: u64,
    pieces: Vec<(u64, Bytes)>,
}

impl SparseFile {
    /// A file of `len` bytes of which these pieces are known, in order of position.
    pub(crate) fn new(len: u64, pieces: Vec<(u64, Bytes)>) -> Self {
        SparseFile { len, pieces }
    }

    /// The bytes of a range, if one piece holds all of it.
    pub(crate) fn slice(&self, range: Range<u64>) -> Option<Bytes> {
        let after = self.pieces.partition_point(|(start, _)| *start <= range.start);
        let (start, piece) = self.pieces.get(after.checked_sub(1)?)?;
        let from = usize::try_from(range.start.checked_sub(*start)?).ok()?;
        let to = usize::try_from(range.end.checked_sub(*start)?).ok()?;
        (from <= to && to <= piece.len()).then(|| piece.slice(from..to))
    }

    /// Everything known from `start` to the end of its piece.
    fn from(&self, start: u64) -> Option<Bytes> {
        let after = self.pieces.partition_point(|(piece, _)| *piece <= start);
        let (piece_start, piece) = self.pieces.get(after.checked_sub(1)?)?;
        let from = usize::try_from(start.checked_sub(*piece_start)?).ok()?;
        (from <= piece.len()).then(|| piece.slice(from..))
    }
}

fn missing(start: u64, len: usize) -> ParquetError {
    ParquetError::EOF(format!("{len} bytes at {start} were not expected to be read"))
}

impl Length for SparseFile {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for SparseFile {
    type T = Cursor<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        self.from(start).map(Cursor::new).ok_or_else(|| missing(start, 1))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let end = start.saturating_add(length as u64);
        self.slice(start..end).ok_or_else(|| missing(start, length))
    }
}
