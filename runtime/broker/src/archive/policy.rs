//! When a partition is sealed. Pure: no clock, no I/O.
//!
//! Only partitions with records that are not archived are known here, so idle ones cost nothing.
//! Each has at most one live entry in a heap of deadlines; entries that were overtaken are passed
//! over when they come up.
//!
//! A partition is due when
//! - its unsealed bytes reach `segment.bytes` (size),
//! - its oldest unsealed record is older than the archive may lag and it has `archive.min.bytes`, or
//!   a day has passed whatever it has (age),
//! - somebody asked for it (command),
//! - or its bytes keep old WAL files alive while the log nears its bound (pressure).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use tidemill_state::PartitionId;

/// How long less than `archive.min.bytes` may wait.
const SMALL_WAIT_MS: i64 = 24 * 3_600_000;
/// Waits after failures: doubled from the first to the last.
const FIRST_RETRY_MS: i64 = 500;
const LAST_RETRY_MS: i64 = 60_000;

/// What of a topic's config matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SealSettings {
    pub(super) segment_bytes: u64,
    pub(super) max_age_ms: i64,
    pub(super) min_bytes: u64,
}

/// Why a partition is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Size,
    Age,
    Command,
    Pressure,
}

impl Reason {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Age => "age",
            Self::Command => "command",
            Self::Pressure => "pressure",
        }
    }
}

/// A partition with unsealed records.
#[derive(Debug)]
struct Unsealed {
    bytes: u64,
    /// When its oldest unsealed record came.
    since_ms: i64,
    settings: SealSettings,
    /// Somebody wants everything below this offset sealed.
    wanted_upto: Option<i64>,
    pressed: bool,
    busy: bool,
    failures: u32,
    not_before_ms: i64,
    /// Its live entry in the heap.
    scheduled_ms: Option<i64>,
}

impl Unsealed {
    /// When it is due and why; none while it is being sealed.
    fn due(&self) -> Option<(i64, Reason)> {
        if self.busy {
            return None;
        }
        let (at, reason) = if self.wanted_upto.is_some() {
            (i64::MIN, Reason::Command)
        } else if self.bytes >= self.settings.segment_bytes {
            (i64::MIN, Reason::Size)
        } else if self.pressed {
            (i64::MIN, Reason::Pressure)
        } else if self.bytes >= self.settings.min_bytes {
            (self.since_ms.saturating_add(self.settings.max_age_ms), Reason::Age)
        } else {
            let wait = self.settings.max_age_ms.max(SMALL_WAIT_MS);
            (self.since_ms.saturating_add(wait), Reason::Age)
        };
        Some((at.max(self.not_before_ms), reason))
    }
}

/// What became of an attempt to seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Records below `archived_end`, this many bytes, are archived now.
    Sealed { bytes: u64, archived_end: i64, high_watermark: i64 },
    /// There is nothing to seal, or nothing below the last stable offset.
    HeldBack { high_watermark: i64, archived_end: i64 },
    /// It failed and has to be tried again.
    Failed,
}

/// All partitions with unsealed records.
#[derive(Debug, Default)]
pub(super) struct Policy {
    partitions: HashMap<PartitionId, Unsealed>,
    deadlines: BinaryHeap<Reverse<(i64, PartitionId)>>,
    /// Nothing is due before this: the bucket failed for everybody.
    paused_until_ms: i64,
    pauses: u32,
}

impl Policy {
    /// A partition has this many more unsealed bytes. `settings` may have changed.
    pub(super) fn grew(&mut self, id: PartitionId, bytes: u64, now_ms: i64, settings: SealSettings) {
        let entry = self.partitions.entry(id).or_insert_with(|| Unsealed {
            bytes: 0,
            since_ms: now_ms,
            settings,
            wanted_upto: None,
            pressed: false,
            busy: false,
            failures: 0,
            not_before_ms: i64::MIN,
            scheduled_ms: None,
        });
        entry.bytes = entry.bytes.saturating_add(bytes);
        entry.settings = settings;
        self.schedule(id);
    }

    /// Everything below `upto` is to be sealed at once, failures of the past notwithstanding.
    pub(super) fn want(&mut self, id: PartitionId, upto: i64, now_ms: i64, settings: SealSettings) {
        self.grew(id, 0, now_ms, settings);
        if let Some(entry) = self.partitions.get_mut(&id) {
            entry.wanted_upto = Some(entry.wanted_upto.map_or(upto, |wanted| wanted.max(upto)));
            entry.not_before_ms = i64::MIN;
        }
        self.paused_until_ms = i64::MIN;
        self.schedule(id);
    }

    /// The partition keeps WAL files alive that should go.
    pub(super) fn press(&mut self, id: PartitionId) {
        if let Some(entry) = self.partitions.get_mut(&id).filter(|entry| !entry.busy) {
            entry.pressed = true;
        }
        self.schedule(id);
    }

    /// Whether sealing the partition now could help: it is known, and not known to be held back.
    pub(super) fn could_seal(&self, id: &PartitionId, now_ms: i64) -> bool {
        self.partitions.get(id).is_some_and(|entry| entry.not_before_ms <= now_ms)
    }

    /// The partition is gone.
    pub(super) fn closed(&mut self, id: &PartitionId) {
        self.partitions.remove(id);
    }

    /// The next partition to seal now; it is busy until [`Policy::finished`].
    pub(super) fn take_due(&mut self, now_ms: i64) -> Option<(PartitionId, Reason)> {
        if now_ms < self.paused_until_ms {
            return None;
        }
        while let Some(Reverse((at, id))) = self.deadlines.peek().copied() {
            if at > now_ms {
                return None;
            }
            self.deadlines.pop();
            let Some(entry) = self.partitions.get_mut(&id) else {
                continue;
            };
            if entry.scheduled_ms != Some(at) {
                continue;
            }
            entry.scheduled_ms = None;
            match entry.due() {
                Some((due, reason)) if due <= now_ms => {
                    entry.busy = true;
                    return Some((id, reason));
                }
                Some(_) => self.schedule(id),
                None => {}
            }
        }
        None
    }

    /// When to look again, if nothing happens before.
    pub(super) fn next_deadline_ms(&self) -> Option<i64> {
        let Reverse((at, _)) = self.deadlines.peek()?;
        Some((*at).max(self.paused_until_ms))
    }

    /// An attempt has ended. `bucket_failed` says that nobody else would have fared better.
    pub(super) fn finished(&mut self, id: PartitionId, attempt: Attempt, bucket_failed: bool, now_ms: i64) {
        self.pauses = if bucket_failed { self.pauses.saturating_add(1) } else { 0 };
        self.paused_until_ms =
            if bucket_failed { now_ms.saturating_add(backoff_ms(self.pauses)) } else { i64::MIN };
        let Some(entry) = self.partitions.get_mut(&id) else {
            return;
        };
        entry.busy = false;
        entry.pressed = false;
        let left = match attempt {
            Attempt::Failed => {
                entry.failures = entry.failures.saturating_add(1);
                entry.not_before_ms = now_ms.saturating_add(backoff_ms(entry.failures));
                entry.wanted_upto = None;
                true
            }
            Attempt::Sealed { bytes, archived_end, high_watermark } => {
                entry.failures = 0;
                entry.not_before_ms = i64::MIN;
                entry.bytes = entry.bytes.saturating_sub(bytes);
                entry.since_ms = now_ms;
                entry.wanted_upto = entry.wanted_upto.filter(|upto| *upto > archived_end);
                archived_end < high_watermark
            }
            Attempt::HeldBack { high_watermark, archived_end } => {
                // Most transactions end soon. Until one that does not has ended there is no point in
                // trying again and again.
                entry.failures = entry.failures.saturating_add(1);
                entry.not_before_ms = now_ms.saturating_add(backoff_ms(entry.failures));
                entry.wanted_upto = None;
                archived_end < high_watermark
            }
        };
        if left {
            self.schedule(id);
        } else {
            self.partitions.remove(&id);
        }
    }

    /// Whether the partition has unsealed records.
    pub(super) fn knows(&self, id: &PartitionId) -> bool {
        self.partitions.contains_key(id)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.partitions.len()
    }

    /// Puts a partition into the heap, unless an entry there comes up early enough.
    fn schedule(&mut self, id: PartitionId) {
        let Some(entry) = self.partitions.get_mut(&id) else {
            return;
        };
        let Some((at, _)) = entry.due() else { return };
        if entry.scheduled_ms.is_none_or(|scheduled| at < scheduled) {
            entry.scheduled_ms = Some(at);
            self.deadlines.push(Reverse((at, id)));
        }
    }
}

fn backoff_ms(failures: u32) -> i64 {
    FIRST_RETRY_MS.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LAST_RETRY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: SealSettings = SealSettings { segment_bytes: 1000, max_age_ms: 60_000, min_bytes: 100 };

    fn id(partition: i32) -> PartitionId {
        PartitionId { topic_id: uuid::Uuid::from_u128(1), partition }
    }

    fn sealed(bytes: u64) -> Attempt {
        Attempt::Sealed { bytes, archived_end: 10, high_watermark: 10 }
    }

    #[test]
    fn size_makes_due_at_once() {
        let mut policy = Policy::default();
        policy.grew(id(0), 999, 0, SETTINGS);
        assert_eq!(policy.take_due(0), None);
        policy.grew(id(0), 1, 0, SETTINGS);
        assert_eq!(policy.take_due(0), Some((id(0), Reason::Size)));
        assert_eq!(policy.take_due(0), None, "it is being sealed");
        policy.finished(id(0), sealed(1000), false, 5);
        assert_eq!(policy.len(), 0);
    }

    #[test]
    fn age_counts_from_the_oldest_record() {
        let mut policy = Policy::default();
        policy.grew(id(0), 60, 0, SETTINGS);
        policy.grew(id(0), 60, 30_000, SETTINGS);
        assert_eq!(policy.next_deadline_ms(), Some(60_000));
        assert_eq!(policy.take_due(59_999), None);
        assert_eq!(policy.take_due(60_000), Some((id(0), Reason::Age)));
    }

    #[test]
    fn little_may_wait_a_day() {
        let mut policy = Policy::default();
        policy.grew(id(0), 99, 0, SETTINGS);
        assert_eq!(policy.take_due(60_000), None);
        assert_eq!(policy.take_due(SMALL_WAIT_MS), Some((id(0), Reason::Age)));
    }

    #[test]
    fn a_command_seals_up_to_what_it_saw() {
        let mut policy = Policy::default();
        policy.want(id(0), 20, 0, SETTINGS);
        assert_eq!(policy.take_due(0), Some((id(0), Reason::Command)));
        policy.finished(id(0), Attempt::Sealed { bytes: 5, archived_end: 10, high_watermark: 30 }, false, 1);
        assert_eq!(policy.take_due(1), Some((id(0), Reason::Command)));
        policy.finished(id(0), Attempt::Sealed { bytes: 5, archived_end: 20, high_watermark: 30 }, false, 2);
        assert_eq!(policy.take_due(2), None);
    }

    #[test]
    fn a_failing_bucket_pauses_everybody_and_a_broken_partition_only_itself() {
        let mut policy = Policy::default();
        policy.grew(id(0), 1000, 0, SETTINGS);
        policy.grew(id(1), 1000, 0, SETTINGS);
        let (first, _) = policy.take_due(0).unwrap();
        policy.finished(first, Attempt::Failed, true, 0);
        assert_eq!(policy.take_due(FIRST_RETRY_MS - 1), None);
        let (second, _) = policy.take_due(FIRST_RETRY_MS).unwrap();
        policy.finished(second, Attempt::Failed, false, FIRST_RETRY_MS);
        assert_ne!(policy.take_due(FIRST_RETRY_MS).map(|(id, _)| id), Some(second));
    }

    #[test]
    fn what_is_held_back_is_not_tried_over_and_over() {
        let mut policy = Policy::default();
        policy.grew(id(0), 5000, 0, SETTINGS);
        assert!(policy.take_due(0).is_some());
        policy.finished(id(0), Attempt::HeldBack { high_watermark: 9, archived_end: 0 }, false, 0);
        assert_eq!(policy.take_due(FIRST_RETRY_MS - 1), None);
        assert!(policy.take_due(FIRST_RETRY_MS).is_some());
        let (mut now_ms, mut tries) = (FIRST_RETRY_MS, 0);
        while now_ms < 100 * LAST_RETRY_MS {
            policy.finished(id(0), Attempt::HeldBack { high_watermark: 9, archived_end: 0 }, false, now_ms);
            now_ms = policy.next_deadline_ms().unwrap();
            assert!(policy.take_due(now_ms).is_some());
            tries += 1;
        }
        assert!(tries < 120, "{tries} tries");
    }

    #[test]
    fn the_heap_stays_small_under_constant_growth() {
        let mut policy = Policy::default();
        for now in 0..1000 {
            policy.grew(id(0), 1, now, SETTINGS);
        }
        assert!(policy.deadlines.len() <= 3, "{}", policy.deadlines.len());
    }
}
