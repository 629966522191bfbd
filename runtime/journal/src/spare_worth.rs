//! Whether files of zeros for the next segments are worth what they take of the disk. Pure.
//!
//! A sync takes longer over space that was only reserved than over blocks that were written before, by about the same
//! whether it syncs 12 or 320 KiB. Zeros take as long as the disk needs for so many bytes. So they pay where little is
//! synced at a time or the disk is quick; where much is, they would halve the log's share of a slow disk. Both are
//! measured while the log is written: the mean sync, and how long a piece of zeros takes beside it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What a sync takes longer over reserved space: 120 to 300 µs and 180 µs on two disks.
const RESERVED_NS: u64 = 200_000;
/// A mean is that of about so many.
const SYNCS: u64 = 64;
const PIECES: u64 = 4;
/// Where zeros do not pay, a piece is tried after so many syncs: the disk may have become quicker.
const TRY_AFTER_SYNCS: u64 = 1_024;
/// Keeps a stalled disk from being remembered for ever, and products within 64 bits.
const MOST_NS_PER_MIB: u64 = 1_000_000_000;

/// Told of syncs by the threads that write the log, and of pieces by the one that writes zeros.
#[derive(Default)]
pub(crate) struct SpareWorth {
    sync_bytes: AtomicU64,
    syncs_since_piece: AtomicU64,
    /// 0 as long as nothing was measured.
    piece_ns_per_mib: AtomicU64,
}

impl SpareWorth {
    /// So much was made durable by one sync.
    pub(crate) fn synced(&self, bytes: u64) {
        // Only one thread syncs at a time.
        let mean = self.sync_bytes.load(Relaxed);
        self.sync_bytes.store(mean - mean / SYNCS + bytes / SYNCS, Relaxed);
        self.syncs_since_piece.fetch_add(1, Relaxed);
    }

    /// A piece of zeros was written in so long.
    pub(crate) fn wrote(&self, bytes: u64, took: Duration) {
        self.syncs_since_piece.store(0, Relaxed);
        if bytes == 0 {
            return;
        }
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let ns_per_mib = (ns.saturating_mul(1 << 10) / bytes.div_ceil(1 << 10)).clamp(1, MOST_NS_PER_MIB);
        let mean = match self.piece_ns_per_mib.load(Relaxed) {
            0 => ns_per_mib,
            mean => mean - mean / PIECES + ns_per_mib / PIECES,
        };
        self.piece_ns_per_mib.store(mean, Relaxed);
    }

    /// Whether another piece should be written if one is due.
    pub(crate) fn allows(&self) -> bool {
        let zeros_ns = ((self.sync_bytes.load(Relaxed) >> 10) * self.piece_ns_per_mib.load(Relaxed)) >> 10;
        zeros_ns <= RESERVED_NS || self.syncs_since_piece.load(Relaxed) >= TRY_AFTER_SYNCS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: u64 = 512 << 10;

    fn after(sync_bytes: u64, piece_us: u64) -> SpareWorth {
        let worth = SpareWorth::default();
        (0..1_000).for_each(|_| worth.synced(sync_bytes));
        worth.wrote(PIECE, Duration::from_micros(piece_us));
        worth
    }

    #[test]
    fn zeros_pay_where_little_is_synced_or_the_disk_is_quick() {
        assert!(SpareWorth::default().allows(), "nothing is known yet");
        // 430 and 2,800 MB/s.
        assert!(after(12 << 10, 1_220).allows());
        assert!(!after(320 << 10, 1_220).allows());
        assert!(after(320 << 10, 187).allows());
        assert!(!after(1 << 20, 187).allows());
    }

    #[test]
    fn what_does_not_pay_is_tried_once_in_a_while() {
        let worth = after(320 << 10, 1_220);
        (1..TRY_AFTER_SYNCS).for_each(|_| worth.synced(320 << 10));
        assert!(!worth.allows());
        worth.synced(320 << 10);
        assert!(worth.allows());
        worth.wrote(PIECE, Duration::from_micros(1_220));
        assert!(!worth.allows(), "the disk is as it was");
        for _ in 0..20 {
            worth.wrote(PIECE, Duration::from_micros(187));
        }
        assert!(worth.allows(), "it has become quicker");
    }

    #[test]
    fn no_measurement_is_too_large() {
        let worth = SpareWorth::default();
        (0..1_000).for_each(|_| worth.synced(1 << 30));
        worth.wrote(1, Duration::MAX);
        assert!(!worth.allows());
        worth.wrote(0, Duration::ZERO);
        (0..100).for_each(|_| worth.wrote(u64::MAX, Duration::ZERO));
        assert!(worth.allows());
    }
}
