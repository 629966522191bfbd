//! One journal on one node: what it promises while nothing fails, and while the disk does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod rig;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rig::*;
use tidemill_disk::sim::Operation;
use tidemill_disk::{Disk, SimDisk};
use tidemill_journal::{DirectWrites, Error, Journal, ReadError};
use tidemill_state::{Command, Outcome, Rejection, Trim};

async fn ready(disk: &SimDisk) -> Journal {
    let journal = open(disk, small()).await.unwrap();
    for number in 0..4 {
        assert_eq!(journal.propose(open_partition(number)).await, Ok(Outcome::Done));
    }
    journal
}

fn appended(outcome: Result<Outcome, Error>) -> i64 {
    match outcome {
        Ok(Outcome::Appended(appended)) => appended.base_offset,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_are_readable_and_survive_a_restart() {
    let disk = SimDisk::new(1);
    let journal = ready(&disk).await;
    assert!(journal.is_leader());
    for id in 0..300 {
        let number = (id % 3) as i32;
        assert_eq!(appended(journal.propose(append(number, vec![batch(id, 900)])).await), (id / 3) as i64);
    }
    let before: Vec<_> = (0..4).map(|number| batches(&journal, number)).collect();
    let state = journal.state(|state| state.export().unwrap());
    journal.shutdown().await;
    assert!(matches!(journal.propose(open_partition(9)).await, Err(Error::Stopped(_))));
    drop(journal);

    let journal = open(&disk, small()).await.unwrap();
    assert!(journal.is_leader(), "a lone replica leads at once");
    assert_eq!(journal.state(|state| state.export().unwrap()), state);
    let after: Vec<_> = (0..4).map(|number| batches(&journal, number)).collect();
    for (before, after) in before.iter().flatten().zip(after.iter().flatten()) {
        assert_eq!(before.bytes(), after.bytes());
    }
    assert_eq!(read_all(&journal, 0).len(), 100);
    assert_eq!(appended(journal.propose(append(0, vec![batch(1, 10)])).await), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_becomes_one_entry() {
    let disk = SimDisk::new(2);
    let journal = ready(&disk).await;
    disk.slow(Operation::Sync, Duration::from_millis(30));
    let syncs = disk.counts().syncs;
    let pending: Vec<_> =
        (0..200).map(|id| journal.submit(append((id % 4) as i32, vec![batch(id, 100)]))).collect();
    for (id, pending) in pending.into_iter().enumerate() {
        assert_eq!(appended(pending.await), (id / 4) as i64, "order per partition");
    }
    assert!(disk.counts().syncs - syncs < 12, "200 appends took {} syncs", disk.counts().syncs - syncs);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_command_spoils_no_neighbour() {
    let disk = SimDisk::new(3);
    let journal = ready(&disk).await;
    let first = journal.submit(append(0, vec![batch(1, 10)]));
    let unknown = journal.submit(append(77, vec![batch(2, 10)]));
    let second = journal.submit(append(0, vec![batch(3, 10)]));
    assert_eq!(appended(first.await), 0);
    assert_eq!(unknown.await, Ok(Outcome::Rejected(Rejection::UnknownPartition(partition(77)))));
    assert_eq!(appended(second.await), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sizes_are_bounded() {
    let disk = SimDisk::new(4);
    let options = tidemill_journal::Options { command_bytes: 1 << 20, queue_bytes: 64 << 10, ..small() };
    let journal = open(&disk, options).await.unwrap();
    journal.propose(open_partition(0)).await.unwrap();
    let large = append(0, vec![batch(1, 2 << 20)]);
    assert!(matches!(journal.propose(large).await, Err(Error::TooLarge { limit, .. }) if limit == 1 << 20));
    assert_eq!(appended(journal.propose(append(0, vec![batch(2, 900 << 10)])).await), 0);

    disk.slow(Operation::Sync, Duration::from_millis(50));
    let mut pending = Vec::new();
    let refused = loop {
        let mut next = journal.submit(append(0, vec![batch(3, 8 << 10)]));
        match futures::future::FutureExt::now_or_never(&mut next) {
            Some(refusal) => break refusal,
            None => pending.push(next),
        }
        assert!(pending.len() < 1000, "the queue has no end");
    };
    assert!(matches!(refused, Err(Error::Overloaded { .. })), "{refused:?}");
    journal.room().await;
    for pending in pending {
        appended(pending.await);
    }
    appended(journal.propose(append(0, vec![batch(4, 10)])).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submitter_keeps_its_order_across_partitions() {
    let disk = SimDisk::new(5);
    let journal = ready(&disk).await;
    disk.slow(Operation::Sync, Duration::from_millis(5));
    // A firehose fills partition 0, behind which the submitter's first command waits.
    let flood: Vec<_> = (0..300).map(|id| journal.submit(append(0, vec![batch(id, 60 << 10)]))).collect();
    let submitter = journal.submitter();
    let first = submitter.submit(append(0, vec![batch(1000, 10)]));
    let mut second = submitter.submit(append(1, vec![batch(1001, 10)]));
    let other = journal.submit(append(2, vec![batch(1002, 10)]));
    appended(other.await);
    assert!(journal.state(|s| s.partition(&partition(0)).unwrap().high_watermark) < 300, "fairness");
    assert!(futures::future::FutureExt::now_or_never(&mut second).is_none());
    assert_eq!(appended(first.await), 300);
    assert_eq!(appended(second.await), 0);
    for pending in flood {
        appended(pending.await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_outside_of_the_log_say_so() {
    let disk = SimDisk::new(6);
    let journal = ready(&disk).await;
    for id in 0..10 {
        journal.propose(append(0, vec![batch(id, 10)])).await.unwrap();
    }
    let read = |number, offset| journal.read_hot(&partition(number), offset, 100, true);
    assert_eq!(read(9, 0).unwrap_err(), ReadError::UnknownPartition);
    let range = |offset, start| ReadError::OutOfRange { offset, log_start_offset: start, high_watermark: 10 };
    assert_eq!(read(0, 11).unwrap_err(), range(11, 0));
    assert!(read(0, 10).unwrap().batches.is_empty());
    journal.propose(Command::Trim(Trim { partition: partition(0), log_start_offset: 4 })).await.unwrap();
    assert_eq!(read(0, 3).unwrap_err(), range(3, 4));
    assert_eq!(read(0, 4).unwrap().batches[0].base_offset(), 4);
    assert_eq!(journal.offset_for_timestamp(&partition(0), 7).unwrap().unwrap().base_offset, 7);
}

/// What the log takes, without files that are kept for its next segments.
fn in_segments(journal: &Journal) -> u64 {
    let usage = journal.usage();
    usage.total_bytes - usage.spare_bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archived_files_are_deleted_and_the_rest_stays() {
    let disk = SimDisk::new(7);
    let journal = ready(&disk).await;
    for id in 0..400 {
        journal.propose(append((id % 2) as i32, vec![batch(id, 2000)])).await.unwrap();
    }
    journal.checkpoint_now().await.unwrap();
    let full = in_segments(&journal);
    for number in 0..2 {
        journal.propose(archive(number, 0, 179)).await.unwrap();
    }
    journal.checkpoint_now().await.unwrap();
    journal.checkpoint_now().await.unwrap();
    let left = in_segments(&journal);
    assert!(left < full / 2, "{left} of {full} bytes left");
    assert_eq!(read_all(&journal, 0).range(180..).count(), 20);
    assert!(matches!(
        journal.read_hot(&partition(0), 3, 100, true),
        Err(ReadError::NotHot { offset: 3, .. })
    ));
    journal.shutdown().await;
    let journal = open(&disk, small()).await.unwrap();
    assert_eq!(read_all(&journal, 0).range(180..).count(), 20);
    assert_eq!(appended(journal.propose(append(0, vec![batch(1, 10)])).await), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_appends_but_not_what_makes_room_and_recovers() {
    let disk = SimDisk::new(8);
    // Nothing takes or makes room beside the appends: no checkpoint, and no file for a next segment,
    // which would be more than a quarter of the log.
    let options = tidemill_journal::Options {
        reserve_bytes: 1 << 20,
        segment_bytes: 8 << 20,
        wal_bytes: 31 << 20,
        checkpoint_interval: Duration::from_secs(600),
        ..small()
    };
    let journal = open(&disk, options).await.unwrap();
    journal.propose(open_partition(0)).await.unwrap();
    disk.set_capacity(Some(disk.used_bytes() + (3 << 20)));
    let mut id = 0;
    let refused = loop {
        match journal.propose(append(0, vec![batch(id, 50_000)])).await {
            Ok(_) => id += 1,
            Err(error) => break error,
        }
        assert!(id < 300, "the disk never filled");
    };
    assert!(matches!(refused, Error::DiskFull(_)), "{refused}");
    assert_eq!(read_all(&journal, 0).len(), id as usize, "what was acknowledged stays readable");
    let trim = Command::Trim(Trim { partition: partition(0), log_start_offset: 1 });
    assert_eq!(journal.propose(trim).await, Ok(Outcome::Done));
    assert!(matches!(journal.propose(append(0, vec![batch(id, 50_000)])).await, Err(Error::DiskFull(_))));
    disk.set_capacity(None);
    assert_eq!(appended(journal.propose(append(0, vec![batch(id, 50_000)])).await), id as i64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_refuses_writes_stalls_the_journal_until_it_takes_them_again() {
    refusal_is_waited_out(DirectWrites::Never, ErrorKind::Other).await;
    refusal_is_waited_out(DirectWrites::WhereUnread, ErrorKind::StorageFull).await;
}

async fn refusal_is_waited_out(direct_writes: DirectWrites, kind: ErrorKind) {
    let disk = SimDisk::new(9);
    let options = tidemill_journal::Options { direct_writes, ..small() };
    let journal = open(&disk, options).await.unwrap();
    journal.propose(open_partition(0)).await.unwrap();
    appended(journal.propose(append(0, vec![batch(0, 100)])).await);
    for n in 1..40 {
        disk.fail(Operation::Write, n, kind);
    }
    let failed = journal.propose(append(0, vec![batch(1, 100)])).await;
    assert!(matches!(failed, Err(Error::OutcomeUnknown(_))), "{failed:?}");
    assert!(matches!(journal.propose(append(0, vec![batch(2, 100)])).await, Err(Error::DiskFull(_))));
    assert_eq!(journal.stopped(), None);
    let recovered = async {
        while journal.stalled().is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), recovered).await.unwrap();
    appended(journal.propose(append(0, vec![batch(3, 100)])).await);
    let ids: Vec<u64> = read_all(&journal, 0).into_values().collect();
    assert_eq!(ids, [0, 1, 3], "the one of unknown outcome was committed after all; the refused one was not");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_is_the_end() {
    failure_is_the_end(DirectWrites::Never, Operation::Sync).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_write_past_the_page_cache_is_the_end() {
    failure_is_the_end(DirectWrites::Always, Operation::Write).await;
}

async fn failure_is_the_end(direct_writes: DirectWrites, operation: Operation) {
    let disk = SimDisk::new(10);
    let options = tidemill_journal::Options { direct_writes, ..small() };
    let journal = open(&disk, options).await.unwrap();
    journal.propose(open_partition(0)).await.unwrap();
    appended(journal.propose(append(0, vec![batch(0, 100)])).await);
    disk.fail(operation, 1, ErrorKind::Other);
    let failed = journal.propose(append(0, vec![batch(1, 100)])).await;
    assert!(matches!(failed, Err(Error::OutcomeUnknown(_))), "{failed:?}");
    let reason = journal.stopped().expect("the journal goes on");
    assert_eq!(journal.propose(append(0, vec![batch(2, 100)])).await, Err(Error::Stopped(reason)));
    let read = journal.read_hot(&partition(0), 0, 100, true);
    assert!(matches!(read, Err(ReadError::Storage(_))), "nobody knows what is on disk: {read:?}");
    journal.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_journal_that_has_ended() {
    for round in 0..60 {
        let disk = SimDisk::new(round);
        let journal = ready(&disk).await;
        let writers = (0..6).map(|writer| {
            let journal = journal.clone();
            tokio::spawn(async move {
                while !matches!(
                    journal.propose(append(writer % 2, vec![batch(1, 100)])).await,
                    Err(Error::Stopped(_))
                ) {}
            })
        });
        let writers: Vec<_> = writers.collect();
        tokio::time::sleep(Duration::from_micros(round * 173)).await;
        if round % 2 == 0 {
            // The next one may be that of a file for the next segment, which ends nothing.
            (1..=4).for_each(|n| disk.fail(Operation::Sync, n, ErrorKind::Other));
        } else {
            journal.shutdown().await;
        }
        for writer in writers {
            let ended = tokio::time::timeout(Duration::from_secs(20), writer).await;
            ended.unwrap_or_else(|_| panic!("round {round}: a writer waits for ever")).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_without_room_makes_room() {
    let disk = SimDisk::new(21);
    let journal = ready(&disk).await;
    for id in 0..400 {
        journal.propose(append((id % 2) as i32, vec![batch(id, 2000)])).await.unwrap();
    }
    journal.checkpoint_now().await.unwrap();
    let full = in_segments(&journal);
    for number in 0..2 {
        journal.propose(archive(number, 0, 179)).await.unwrap();
    }
    disk.fail(Operation::Write, 1, ErrorKind::StorageFull);
    let refused = journal.checkpoint_now().await;
    assert!(matches!(refused, Err(Error::DiskFull(_))), "{refused:?}");
    let left = in_segments(&journal);
    assert!(left < full / 2, "{left} of {full} bytes left");
    journal.checkpoint_now().await.unwrap();
    appended(journal.propose(append(0, vec![batch(400, 100)])).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_journal_does_nothing() {
    let disk = SimDisk::new(11);
    let journal = ready(&disk).await;
    journal.propose(append(0, vec![batch(0, 100)])).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = disk.counts();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(disk.counts(), before);
    drop(journal);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_checkpoint_gives_the_same_state() {
    let disk = SimDisk::new(12);
    let options = || tidemill_journal::Options { checkpoint_interval: Duration::from_secs(60), ..small() };
    let journal = open(&disk, options()).await.unwrap();
    let store = Path::new("/journal/state.redb");
    let mut copies = vec![disk.contents(store).unwrap()];
    journal.propose(open_partition(0)).await.unwrap();
    for id in 0..200 {
        journal.propose(append(0, vec![batch(id, 1000)])).await.unwrap();
        if id % 50 == 49 {
            journal.checkpoint_now().await.unwrap();
            copies.push(disk.contents(store).unwrap());
        }
    }
    let state = journal.state(|state| state.export().unwrap());
    let records = read_all(&journal, 0);
    for (seed, copy) in (0..).zip(copies) {
        let image = disk.crash_image(seed);
        image.plant(store, copy);
        let journal = open(&image, options()).await.unwrap();
        assert_eq!(journal.state(|state| state.export().unwrap()), state);
        assert_eq!(read_all(&journal, 0), records);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_refused() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(13));
    let mut options = small();
    options.voters = vec![2];
    let opened = Journal::open(options.clone(), disk.clone(), Arc::new(Notes::default())).await;
    assert!(matches!(opened.err(), Some(Error::Invalid(_))));
    options.voters = vec![1, 2];
    let opened = Journal::open(options, disk, Arc::new(Notes::default())).await;
    assert!(matches!(opened.err(), Some(Error::Invalid(_))), "several voters and no way to reach them");
}
