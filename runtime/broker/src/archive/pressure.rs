//! Which partitions to seal early because the log nears its bound, and when producers have to wait. Pure.
//!
//! Old WAL files can go when everything in them is sealed, so the partitions with the most bytes in
//! the oldest files go first. Those with little in them are hardly ever chosen: when the others are
//! sealed, the log copies what is left forward and drops the files.

/// Above this part of the bound partitions are sealed early …
const HIGH_PERCENT: u64 = 60;
/// … until so much is left.
const LOW_PERCENT: u64 = 40;
/// Batches up to this part of the bound are left to relocation.
const RELOCATED_PERCENT: u64 = 10;
/// Above this part of the bound producers wait, rather than be refused at the bound.
const BRAKE_PERCENT: u64 = 85;

/// Partitions with less in old files are small.
const SMALL_BYTES: u64 = 64 << 10;

/// What the log takes on disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogSize {
    /// Bytes of all files but those that wait to become segments.
    pub(super) total_bytes: u64,
    /// Bytes of batches that are not archived.
    pub(super) live_bytes: u64,
    /// The bound.
    pub(super) max_bytes: u64,
}

impl LogSize {
    /// Whether the log should shrink.
    pub(super) fn is_high(self) -> bool {
        self.total_bytes > self.max_bytes / 100 * HIGH_PERCENT
    }

    /// Whether producers should wait until it has.
    pub(super) fn needs_brake(self) -> bool {
        self.total_bytes > self.max_bytes / 100 * BRAKE_PERCENT
    }

    /// Bytes of batches to be sealed.
    pub(super) fn excess_bytes(self) -> u64 {
        if !self.is_high() {
            return 0;
        }
        let excess = self.live_bytes.saturating_sub(self.max_bytes / 100 * LOW_PERCENT);
        // Where much of the log is no batches (transactions have many small entries), few batches can
        // keep all files: too many for relocation, too few to count.
        let too_many_to_relocate = self.live_bytes > self.max_bytes / 100 * RELOCATED_PERCENT;
        if self.needs_brake() && too_many_to_relocate { excess.max(self.live_bytes / 2) } else { excess }
    }
}

/// Whether small partitions have to be sealed too, which makes tiny objects: only where they are what
/// the log consists of. `sizes` are the bytes of all partitions in it.
pub(super) fn small_too(sizes: impl Iterator<Item = u64>, excess: u64) -> bool {
    sizes.filter(|bytes| *bytes >= SMALL_BYTES).sum::<u64>() < excess / 2
}

/// Picks who has to be sealed so that `excess` bytes can go. `pins` are partitions with their bytes
/// in the oldest files, the largest first; `can_seal` says for whom it would help.
pub(super) fn choose<P>(
    pins: Vec<(P, u64)>,
    excess: u64,
    small_too: bool,
    can_seal: impl Fn(&P) -> bool,
) -> Vec<P> {
    let mut freed = 0u64;
    pins.into_iter()
        .filter(|(partition, _)| can_seal(partition))
        .take_while(|(_, bytes)| {
            let wanted = freed < excess && (small_too || *bytes >= SMALL_BYTES);
            freed = freed.saturating_add(*bytes);
            wanted
        })
        .map(|(partition, _)| partition)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(total_bytes: u64, live_bytes: u64) -> LogSize {
        LogSize { total_bytes, live_bytes, max_bytes: 100_000 }
    }

    #[test]
    fn nothing_is_sealed_early_below_the_mark() {
        assert_eq!(size(60_000, 60_000).excess_bytes(), 0);
        assert_eq!(size(80_000, 70_000).excess_bytes(), 30_000);
        assert_eq!(size(80_000, 100).excess_bytes(), 0, "dropping files is enough");
        assert_eq!(size(90_000, 20_000).excess_bytes(), 10_000, "few batches keep all files");
        assert_eq!(size(90_000, 10_000).excess_bytes(), 0, "so few are copied forward");
        assert!(size(90_000, 0).needs_brake() && !size(80_000, 80_000).needs_brake());
    }

    #[test]
    fn the_largest_go_until_enough_is_freed() {
        const K: u64 = 1 << 10;
        let pins = || vec![("a", 300 * K), ("b", 200 * K), ("c", 100 * K), ("idle", K)];
        assert_eq!(choose(pins(), 350 * K, false, |_| true), vec!["a", "b"]);
        assert_eq!(
            choose(pins(), 1000 * K, false, |_| true),
            vec!["a", "b", "c"],
            "relocation takes care of the idle one"
        );
        assert!(choose(pins(), 0, false, |_| true).is_empty());
        assert_eq!(choose(pins(), 350 * K, false, |name| *name != "a"), vec!["b", "c"]);
        assert!(
            choose(pins(), 350 * K, false, |name| *name == "idle").is_empty(),
            "the large ones are on their way"
        );
        let small: Vec<_> = (0..100).map(|n| (n, 10 * K)).collect();
        assert!(small_too(small.iter().map(|(_, bytes)| *bytes), 500 * K));
        assert!(!small_too(pins().iter().map(|(_, bytes)| *bytes), 500 * K));
        assert_eq!(choose(small, 500 * K, true, |_| true).len(), 50, "there is nobody else");
    }
}
