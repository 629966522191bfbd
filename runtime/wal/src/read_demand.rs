//! Whether what is written should go through the page cache: if it is read from there.
//!
//! Past the page cache a write costs less and several may be on their way, but whoever reads it from the file
//! has to have it from the disk. What matters is what the page cache would still have, so reads from further
//! behind the end than it keeps of the log do not count, and neither do those that the entry cache answers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What was written and read longer ago than this counts half, then a quarter, and so on.
const WINDOW_BYTES: u64 = 256 << 20;
/// Reading so much of what is written makes the page cache worth what it costs: one part in so many.
const WORTHWHILE: u64 = 4;
/// Until it is less than this: each change costs a sync.
const STILL_WORTHWHILE: u64 = 8;

/// Bytes written lately, and bytes read lately of those that were written lately.
#[derive(Default)]
pub(crate) struct ReadDemand {
    written: AtomicU64,
    read: AtomicU64,
    was_worthwhile: AtomicBool,
}

impl ReadDemand {
    pub(crate) fn read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Called by one thread at a time.
    pub(crate) fn written(&self, bytes: u64) {
        let written = self.written.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if written >= WINDOW_BYTES {
            self.written.store(written / 2, Ordering::Relaxed);
            self.read.fetch_sub(self.read.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_worthwhile(&self) -> bool {
        let (read, written) = (self.read.load(Ordering::Relaxed), self.written.load(Ordering::Relaxed));
        let was = self.was_worthwhile.load(Ordering::Relaxed);
        let is = read.saturating_mul(if was { STILL_WORTHWHILE } else { WORTHWHILE }) > written;
        if is != was {
            self.was_worthwhile.store(is, Ordering::Relaxed);
        }
        is
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_is_read_as_fast_as_it_is_written_goes_through_the_page_cache() {
        let demand = ReadDemand::default();
        assert!(!demand.is_worthwhile());
        for _ in 0..2_000 {
            demand.written(MIB);
            demand.read(MIB / 6);
        }
        assert!(!demand.is_worthwhile(), "a sixth is not enough");
        for _ in 0..100 {
            demand.written(MIB);
            demand.read(MIB);
        }
        assert!(demand.is_worthwhile());
        for _ in 0..2_000 {
            demand.written(MIB);
            demand.read(MIB / 6);
        }
        assert!(demand.is_worthwhile(), "a sixth is enough to go on");
        for _ in 0..1_000 {
            demand.written(MIB);
        }
        assert!(!demand.is_worthwhile(), "nobody reads any more");
    }
}
