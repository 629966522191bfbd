//! Memory from which is written past the page cache.
//!
//! It begins at a block's boundary, as such writes demand, and lies in one huge page where the system has one. In pages
//! of 4 KiB a write is as many pieces for the disk as it has pages that do not lie side by side, and a virtual disk takes
//! each piece by itself: the same writes took half as long again, up to twice as long (`docs/decisions/2026-11-30-huge-pages.md`).

use std::io;

use memmap2::{Advice, MmapMut};

/// What is written at once, and so the most that a piece can have.
pub(crate) const PIECE_BYTES: usize = 1 << 20;
/// A huge page of x86-64, and of arm64 with pages of 4 KiB.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Bytes that begin at a huge page's boundary in memory, which is a block's, too. Takes memory when it is first used.
pub(crate) struct AlignedPiece {
    /// Twice a huge page, so that a whole one is within. What is not used of it takes no memory.
    memory: Option<MmapMut>,
    /// Where the whole one begins.
    start: usize,
    len: usize,
}

impl AlignedPiece {
    pub(crate) const EMPTY: AlignedPiece = AlignedPiece { memory: None, start: 0, len: 0 };

    /// Zeros, at most [`PIECE_BYTES`]; empty where there is no memory for them.
    pub(crate) fn zeros(len: usize) -> AlignedPiece {
        let mut piece = Self::EMPTY;
        if piece.room().is_ok() {
            piece.len = len.min(PIECE_BYTES);
        }
        piece
    }

    /// Has what is left of `bufs`, as much as is there and `len` bytes at most.
    pub(crate) fn copy<'a>(
        &mut self,
        bufs: &mut Rest<'a, impl Iterator<Item = &'a [u8]>>,
        len: usize,
    ) -> io::Result<()> {
        self.len = 0;
        let room = self.room()?;
        let len = len.min(room.len());
        let mut copied = 0;
        while copied < len {
            let piece = bufs.next(len - copied);
            let Some(place) = room.get_mut(copied..copied + piece.len()).filter(|place| !place.is_empty())
            else {
                break;
            };
            place.copy_from_slice(piece);
            copied += piece.len();
        }
        self.len = copied;
        Ok(())
    }

    /// All that a piece can have.
    fn room(&mut self) -> io::Result<&mut [u8]> {
        let memory = match self.memory.take() {
            Some(memory) => memory,
            None => {
                let memory = MmapMut::map_anon(2 * HUGE_PAGE_BYTES)?;
                self.start = memory.as_ptr().align_offset(HUGE_PAGE_BYTES).min(HUGE_PAGE_BYTES);
                // A system without huge pages gives small ones.
                let _ = memory.advise_range(Advice::HugePage, self.start, HUGE_PAGE_BYTES);
                memory
            }
        };
        let memory = self.memory.insert(memory);
        memory.get_mut(self.start..self.start + PIECE_BYTES).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The bytes from `at` on.
    pub(crate) fn from(&self, at: usize) -> &[u8] {
        let memory = self.memory.as_deref().unwrap_or_default();
        memory.get(self.start + at..self.start + self.len).unwrap_or_default()
    }
}

impl Default for AlignedPiece {
    fn default() -> AlignedPiece {
        AlignedPiece::EMPTY
    }
}

/// Buffers, as far as they were not taken.
pub(crate) struct Rest<'a, I> {
    bufs: I,
    next: &'a [u8],
}

impl<'a, I: Iterator<Item = &'a [u8]>> Rest<'a, I> {
    pub(crate) fn of(bufs: I) -> Rest<'a, I> {
        Rest { bufs, next: &[] }
    }

    /// The next bytes, `most` at most, none behind the last.
    fn next(&mut self, most: usize) -> &'a [u8] {
        while self.next.is_empty()
            && let Some(next) = self.bufs.next()
        {
            self.next = next;
        }
        let (front, rest) = self.next.split_at(self.next.len().min(most));
        self.next = rest;
        front
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(piece: &mut AlignedPiece, bufs: &[&[u8]], len: usize) -> Vec<u8> {
        piece.copy(&mut Rest::of(bufs.iter().copied()), len).unwrap();
        assert_eq!(piece.len(), piece.from(0).len());
        piece.from(0).to_vec()
    }

    #[test]
    fn has_what_was_copied_last_and_no_more() {
        let mut piece = AlignedPiece::EMPTY;
        assert_eq!(piece.from(0), b"");
        assert_eq!(copied(&mut piece, &[b"one ", b"", b"two"], 100), b"one two");
        assert_eq!(copied(&mut piece, &[b"three"], 2), b"th");
        assert_eq!(piece.from(1), b"h");
        assert_eq!(piece.from(3), b"", "nothing is behind the end");
        assert_eq!(copied(&mut piece, &[], 100), b"");
    }

    #[test]
    fn is_never_more_than_a_piece_and_goes_on_with_the_rest() {
        let bytes: Vec<u8> = (0..PIECE_BYTES + 10).map(|at| at as u8).collect();
        let mut rest = Rest::of([&bytes[..5], &bytes[5..]].into_iter());
        let mut piece = AlignedPiece::EMPTY;
        piece.copy(&mut rest, usize::MAX).unwrap();
        assert!(piece.from(0) == &bytes[..PIECE_BYTES]);
        piece.copy(&mut rest, usize::MAX).unwrap();
        assert_eq!(piece.from(0), &bytes[PIECE_BYTES..]);
    }

    #[test]
    fn begins_at_a_huge_pages_boundary() {
        let zeros = AlignedPiece::zeros(PIECE_BYTES);
        assert_eq!(zeros.from(0).as_ptr().align_offset(HUGE_PAGE_BYTES), 0);
        assert!(zeros.from(0) == vec![0; PIECE_BYTES]);
    }
}
