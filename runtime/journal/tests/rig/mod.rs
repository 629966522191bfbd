//! What the tests of a journal stand on: batches that can be told apart, a journal on a simulated
//! disk, and a check of everything that was acknowledged.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tidemill_disk::{Disk, SimDisk};
use tidemill_journal::{Error, Journal, Listener, Options};
use tidemill_records::{BatchBuilder, BatchFacts, Compression, RecordBatch, Records};
use tidemill_state::{
    Append, ArchivedObject, Command, CommitArchive, Effect, OpenPartition, Outcome, PartitionId,
};
use uuid::Uuid;

pub fn partition(number: i32) -> PartitionId {
    PartitionId { topic_id: Uuid::from_u128(42), partition: number }
}

/// A batch of one record that says `id`, about `bytes` long.
pub fn batch(id: u64, bytes: usize) -> Bytes {
    let mut value = id.to_be_bytes().to_vec();
    value.resize(bytes.max(8), id as u8);
    let facts = BatchFacts { base_timestamp: id as i64 & 0xFFFF, ..BatchFacts::default() };
    let mut builder = BatchBuilder::new(facts);
    builder.push(0, 0, None, Some(&value), &[]);
    builder.build(Compression::None).unwrap().into_bytes()
}

pub fn append(number: i32, batches: Vec<Bytes>) -> Command {
    Command::Append(Append { partition: partition(number), batches, now_ms: 1 })
}

/// The commit of an object that nobody reads.
pub fn archive(number: i32, base_offset: i64, last_offset: i64) -> Command {
    Command::CommitArchive(CommitArchive {
        partition: partition(number),
        expected_archived_end: base_offset,
        object: ArchivedObject {
            path: format!("{number}-{base_offset}"),
            base_offset,
            last_offset,
            length_bytes: 1,
            crc32c: 0,
            footer_bytes: 1,
            row_count: 1,
            raw_bytes: 1,
            min_timestamp_ms: 0,
            max_timestamp_ms: 0,
            leader_epochs: Vec::new(),
            sealed_at_ms: 0,
        },
    })
}

pub fn open_partition(number: i32) -> Command {
    Command::OpenPartition(OpenPartition {
        partition: partition(number),
        topic: "topic".into(),
        leader_epoch_base: 0,
    })
}

/// The ids in a batch.
pub fn ids_of(batch: &RecordBatch) -> Vec<u64> {
    batch.verify_crc().unwrap();
    Records::new(batch.records_section(), batch.record_count())
        .map(|record| u64::from_be_bytes(record.unwrap().value.unwrap()[..8].try_into().unwrap()))
        .collect()
}

/// Everything hot of a partition, by offset; fails where an offset is missing or served twice.
pub fn read_all(journal: &Journal, number: i32) -> BTreeMap<i64, u64> {
    let mut found = BTreeMap::new();
    for batch in batches(journal, number) {
        for (offset, id) in (batch.base_offset()..).zip(ids_of(&batch)) {
            assert_eq!(found.insert(offset, id), None, "offset {offset} of partition {number} served twice");
        }
    }
    found
}

/// All hot batches of a partition, in order and without gaps.
pub fn batches(journal: &Journal, number: i32) -> Vec<RecordBatch> {
    let Some(end) = journal.state(|state| state.partition(&partition(number)).map(|p| p.high_watermark))
    else {
        return Vec::new();
    };
    let mut all = Vec::new();
    let mut next = journal.hot_start(&partition(number)).unwrap_or(end);
    while next < end {
        let read = journal.read_hot(&partition(number), next, 50_000, true).unwrap();
        assert_eq!(read.batches[0].base_offset(), next, "gap in partition {number}");
        for batch in &read.batches {
            assert_eq!(batch.base_offset(), next, "gap in partition {number}");
            next = batch.next_offset();
        }
        assert_eq!(read.next, next);
        all.extend(read.batches);
    }
    all
}

/// Notes what it is told.
#[derive(Default)]
pub struct Notes {
    pub advanced: Mutex<BTreeMap<PartitionId, Vec<i64>>>,
    pub effects: Mutex<Vec<Effect>>,
}

impl Listener for Notes {
    fn advanced(&self, partition: PartitionId, high_watermark: i64) {
        self.advanced.lock().entry(partition).or_default().push(high_watermark);
    }

    fn effect(&self, effect: &Effect) {
        self.effects.lock().push(effect.clone());
    }
}

/// A journal whose files are so small that everything happens often.
pub fn small() -> Options {
    Options {
        segment_bytes: 64 << 10,
        cache_bytes: 64 << 10,
        relocate_below_bytes: 16 << 10,
        relocate_above_bytes: 0,
        reserve_bytes: 0,
        checkpoint_interval: Duration::from_millis(40),
        ..Options::single(1, 1, "/journal")
    }
}

pub async fn open(disk: &SimDisk, options: Options) -> Result<Journal, Error> {
    Journal::open(options, Arc::new(disk.clone()) as Arc<dyn Disk>, Arc::new(Notes::default())).await
}

/// What clients know: the offset of each acknowledged record, and what they tried.
#[derive(Default)]
pub struct Ledger {
    pub acked: Mutex<BTreeMap<(i32, i64), u64>>,
    pub tried: Mutex<HashSet<u64>>,
}

impl Ledger {
    pub fn acked_count(&self) -> usize {
        self.acked.lock().len()
    }

    /// Everything acknowledged is where its client was told; everything else is there at most once;
    /// what one writer wrote is in its order.
    pub fn check(&self, journal: &Journal, partitions: std::ops::Range<i32>) {
        let tried = self.tried.lock();
        let acked = self.acked.lock();
        for number in partitions {
            let found = read_all(journal, number);
            let mut seen = HashSet::new();
            let mut last_of_writer: BTreeMap<u64, u64> = BTreeMap::new();
            for (offset, id) in &found {
                assert!(seen.insert(*id), "record {id:x} twice in partition {number}, again at {offset}");
                assert!(tried.contains(id), "record {id:x} from nowhere");
                let last = last_of_writer.entry(id >> 32).or_default();
                assert!(*last <= *id, "records of writer {} out of order", id >> 32);
                *last = *id;
            }
            for ((_, offset), id) in acked.range((number, 0)..(number + 1, 0)) {
                assert_eq!(
                    found.get(offset),
                    Some(id),
                    "acknowledged record lost: partition {number}, {offset}"
                );
            }
        }
    }

    /// Appends records `writer << 32 | n` for n from `first` on, one at a time, until something
    /// fails. Returns the next n and the failure.
    pub async fn write(
        &self,
        journal: &Journal,
        writer: u64,
        number: i32,
        first: u64,
        bytes: usize,
    ) -> (u64, Error) {
        let mut n = first;
        loop {
            let id = writer << 32 | n;
            n += 1;
            self.tried.lock().insert(id);
            match journal.propose(append(number, vec![batch(id, bytes)])).await {
                Ok(Outcome::Appended(appended)) => {
                    let before = self.acked.lock().insert((number, appended.base_offset), id);
                    assert_eq!(before, None, "two records acknowledged at one offset");
                }
                Ok(other) => panic!("unexpected outcome {other:?}"),
                Err(error) => return (n, error),
            }
        }
    }
}
