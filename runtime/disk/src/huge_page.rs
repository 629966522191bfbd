//! Memory in one huge page, where the system has one.
//!
//! In pages of 4 KiB a write past the page cache is as many pieces for the disk as it has pages that do not lie side by side,
//! and a virtual disk takes each piece by itself: the same writes took half as long again, up to twice as long
//! (`docs/decisions/2026-11-30-huge-pages.md`).

use std::io;
use std::ops::{Deref, DerefMut};

use memmap2::{Advice, MmapMut};

/// [`HugePage::BYTES`] of zeros at first, that begin at a huge page's boundary. What is not touched takes no memory.
pub struct HugePage {
    /// Twice as much, so that a whole one is within.
    memory: MmapMut,
    /// Where the whole one begins.
    start: usize,
}

impl HugePage {
    /// A huge page of x86-64, and of arm64 with pages of 4 KiB.
    pub const BYTES: usize = 2 << 20;

    /// Fails where there is no memory.
    pub fn map() -> io::Result<HugePage> {
        let memory = MmapMut::map_anon(2 * Self::BYTES)?;
        let start = memory.as_ptr().align_offset(Self::BYTES).min(Self::BYTES);
        // A system without huge pages gives small ones.
        let _ = memory.advise_range(Advice::HugePage, start, Self::BYTES);
        Ok(HugePage { memory, start })
    }
}

impl Deref for HugePage {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory.get(self.start..self.start + Self::BYTES).unwrap_or_default()
    }
}

impl DerefMut for HugePage {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.start..self.start + Self::BYTES).unwrap_or_default()
    }
}
