//! Memory from which is written past the page cache: it begins at a block's boundary, as such writes demand.

use std::io;

use crate::HugePage;

/// What is written at once, and so the most that a piece can have.
pub(crate) const PIECE_BYTES: usize = HugePage::BYTES / 2;

/// Bytes at the beginning of a huge page. Takes memory when it is first used.
#[derive(Default)]
pub(crate) struct AlignedPiece {
    page: Option<HugePage>,
    len: usize,
}

impl AlignedPiece {
    pub(crate) const EMPTY: AlignedPiece = AlignedPiece { page: None, len: 0 };

    /// Zeros, at most [`PIECE_BYTES`]; empty where there is no memory for them.
    pub(crate) fn zeros(len: usize) -> AlignedPiece {
        AlignedPiece { page: HugePage::map().ok(), len: len.min(PIECE_BYTES) }
    }

    /// Has what is left of `bufs`, as much as is there and `len` bytes at most.
    pub(crate) fn copy<'a>(
        &mut self,
        bufs: &mut Rest<'a, impl Iterator<Item = &'a [u8]>>,
        len: usize,
    ) -> io::Result<()> {
        self.len = 0;
        let page = match self.page.take() {
            Some(page) => page,
            None => HugePage::map()?,
        };
        let page = self.page.insert(page);
        let len = len.min(PIECE_BYTES);
        while self.len < len {
            let piece = bufs.next(len - self.len);
            let place = page.get_mut(self.len..self.len + piece.len());
            let Some(place) = place.filter(|place| !place.is_empty()) else {
                break;
            };
            place.copy_from_slice(piece);
            self.len += piece.len();
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The bytes from `at` on.
    pub(crate) fn from(&self, at: usize) -> &[u8] {
        self.page.as_deref().unwrap_or_default().get(at..self.len).unwrap_or_default()
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
        assert_eq!(zeros.from(0).as_ptr().align_offset(HugePage::BYTES), 0);
        assert!(zeros.from(0) == vec![0; PIECE_BYTES]);
    }
}
