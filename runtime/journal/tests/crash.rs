//! Power cuts, at random moments and at every named one: whatever was acknowledged is there
//! afterwards, once, where its client was told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod rig;

use std::sync::Arc;
use std::time::Duration;

use rig::*;
use tidemill_disk::SimDisk;
use tidemill_journal::{DirectWrites, Journal, Options};

const PARTITIONS: i32 = 3;

/// How a journal writes, and what.
#[derive(Clone, Copy)]
struct Load {
    direct_writes: DirectWrites,
    segment_bytes: u64,
    record_bytes: usize,
}

/// Small entries in small segments.
const SMALL: Load =
    Load { direct_writes: DirectWrites::WhereUnread, segment_bytes: 64 << 10, record_bytes: 300 };
const BUFFERED: Load = Load { direct_writes: DirectWrites::Never, ..SMALL };
/// Entries large enough for several to be on their way to disk.
const LARGE: Load =
    Load { direct_writes: DirectWrites::Always, segment_bytes: 4 << 20, record_bytes: 70_000 };

/// Opens a journal that has to open, whatever the power cut has left.
async fn reopen(disk: &SimDisk, load: Load) -> Journal {
    let Load { direct_writes, segment_bytes, .. } = load;
    let interval = Duration::from_millis(10);
    let options = Options { checkpoint_interval: interval, direct_writes, segment_bytes, ..small() };
    let journal = open(disk, options).await.unwrap_or_else(|e| panic!("cannot be opened after a crash: {e}"));
    for number in 0..PARTITIONS {
        journal.propose(open_partition(number)).await.unwrap();
    }
    journal
}

/// Writers, one of which archives what it can now and then, until the disk dies.
async fn run_until_crash(journal: &Journal, ledger: &Arc<Ledger>, next: &mut [u64], record_bytes: usize) {
    let writers = next.iter().enumerate().map(|(writer, first)| {
        let (journal, ledger, first) = (journal.clone(), ledger.clone(), *first);
        tokio::spawn(async move {
            let number = writer as i32 % PARTITIONS;
            ledger.write(&journal, writer as u64 + 1, number, first, record_bytes + writer * 700).await.0
        })
    });
    let writers: Vec<_> = writers.collect();
    for (slot, writer) in next.iter_mut().zip(writers) {
        *slot = writer.await.unwrap();
    }
}

/// One life after another on a disk that is cut off as `plan` says.
async fn lives(load: Load, seed: u64, lives: u64, plan: impl Fn(&SimDisk, u64)) {
    let mut disk = SimDisk::new(seed);
    let ledger = Arc::new(Ledger::default());
    let mut next = vec![0; 5];
    for life in 0..lives {
        let journal = reopen(&disk, load).await;
        ledger.check(&journal, 0..PARTITIONS);
        plan(&disk, life);
        let died = tokio::time::timeout(
            Duration::from_secs(20),
            run_until_crash(&journal, &ledger, &mut next, load.record_bytes),
        );
        let died = died.await;
        assert!(died.is_ok(), "life {life} of seed {seed} did not end: {:?}", disk.crash_points());
        assert!(disk.has_crashed(), "life {life} of seed {seed} ended otherwise: {:?}", journal.stopped());
        drop(journal);
        disk = disk.crash();
    }
    let journal = reopen(&disk, load).await;
    ledger.check(&journal, 0..PARTITIONS);
    assert!(ledger.acked_count() > 20, "only {} records were acknowledged", ledger.acked_count());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_random_moments() {
    for (load, seed) in [SMALL, BUFFERED, LARGE].into_iter().cycle().zip(0..9) {
        lives(load, seed, 8, |disk, life| disk.crash_after(1 + (seed * 7919 + life * 104_729) % 400)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_each_point_of_writing_and_checkpointing() {
    for (seed, (load, point)) in (100..).zip([
        (BUFFERED, "journal: written, not synced"),
        (SMALL, "journal: placed, not written"),
        (LARGE, "journal: placed, not written"),
        (BUFFERED, "journal: synced, not applied"),
        (LARGE, "journal: synced, not applied"),
        (SMALL, "journal: checkpoint not written"),
        (SMALL, "journal: checkpoint written"),
    ]) {
        lives(load, seed, 5, |disk, life| disk.crash_at(point, 1 + life * 3)).await;
    }
}

/// The points that the log itself names, met by writing, archiving and reclaiming.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_each_point_of_the_log() {
    let dry = SimDisk::new(1);
    let ledger = Arc::new(Ledger::default());
    dry.crash_after(100_000);
    archive_rounds(&dry, &ledger, 3).await;
    let points: Vec<&'static str> =
        dry.crash_points().into_keys().filter(|point| !point.starts_with("journal")).collect();
    for known in [
        "append:written",
        "direct:placed",
        "direct:written",
        "segment:created",
        "footer:written",
        "relocation:published",
        "reclaim:file-removed",
    ] {
        assert!(points.contains(&known), "{known} is not among {points:?}");
    }
    for (seed, point) in (500..).zip(points) {
        for hit in [1, 2] {
            let disk = SimDisk::new(seed);
            let ledger = Arc::new(Ledger::default());
            disk.crash_at(point, hit);
            archive_rounds(&disk, &ledger, 3).await;
            let disk = disk.crash();
            let journal = reopen(&disk, SMALL).await;
            check_unarchived(&ledger, &journal);
            drop(journal);
            // And once more, for what recovery itself leaves behind.
            let disk = disk.crash();
            archive_rounds(&disk, &ledger, 1).await;
            let journal = reopen(&disk, SMALL).await;
            check_unarchived(&ledger, &journal);
        }
    }
}

/// Writes, archives most of it, checkpoints and reclaims; ends quietly when the disk dies.
async fn archive_rounds(disk: &SimDisk, ledger: &Arc<Ledger>, rounds: u64) {
    let Ok(journal) = open(disk, small()).await else {
        return;
    };
    for number in 0..PARTITIONS {
        let _ = journal.propose(open_partition(number)).await;
    }
    for _ in 0..rounds {
        for number in 0..PARTITIONS {
            let (writer, count) = (number as u64 + 1, if number == 2 { 1 } else { 60 });
            let first = ledger.tried.lock().iter().filter(|id| *id >> 32 == writer).count() as u64;
            for n in first..first + count {
                let id = writer << 32 | n;
                ledger.tried.lock().insert(id);
                let outcome = journal.propose(append(number, vec![batch(id, 1500)])).await;
                if let Ok(tidemill_state::Outcome::Appended(appended)) = outcome {
                    ledger.acked.lock().insert((number, appended.base_offset), id);
                }
            }
            if number != 2 {
                archive_most(&journal, number).await;
            }
        }
        let _ = journal.checkpoint_now().await;
        let _ = journal.checkpoint_now().await;
    }
    journal.shutdown().await;
}

async fn archive_most(journal: &Journal, number: i32) {
    let Some((from, to)) =
        journal.state(|s| s.partition(&partition(number)).map(|p| (p.archived_end, p.high_watermark - 3)))
    else {
        return;
    };
    if to < from {
        return;
    }
    let _ = journal.propose(archive(number, from, to)).await;
}

/// Everything acknowledged is archived, or hot where its client was told.
fn check_unarchived(ledger: &Ledger, journal: &Journal) {
    let acked = ledger.acked.lock();
    for number in 0..PARTITIONS {
        let archived_end = journal.state(|s| s.partition(&partition(number)).map_or(0, |p| p.archived_end));
        let found = read_all(journal, number);
        for ((_, offset), id) in acked.range((number, archived_end)..(number + 1, 0)) {
            assert_eq!(found.get(offset), Some(id), "acknowledged record lost: partition {number}, {offset}");
        }
    }
}
