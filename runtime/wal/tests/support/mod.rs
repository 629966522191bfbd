//! What the log's tests share: small options, entries with record batches in them, a place to open
//! logs in.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tidemill_disk::{Disk, SimDisk};
use tidemill_records::{BatchBuilder, BatchFacts, Compression, RecordBatch};
use tidemill_wal::{
    DirectWrites, EntryFrame, Error, HotBatch, LogId, Options, Recovered, Space, Synced, Wal, WalPartition,
};
use uuid::Uuid;

pub const DIR: &str = "/journal";

pub fn options() -> Options {
    Options {
        journal_id: 7,
        segment_bytes: 4 << 10,
        cache_bytes: 2 << 10,
        index_cache_bytes: 8 << 10,
        page_cache_bytes: 64 << 10,
        direct_writes: DirectWrites::WhereUnread,
        max_bytes: u64::MAX,
        reserve_bytes: 0,
        allocate_bytes: 1 << 10,
        spare_files: 1,
        spare_reserve_bytes: 0,
        relocate_below_bytes: 1 << 10,
        relocate_above_bytes: 8 << 10,
        salt: 42,
    }
}

pub fn open(disk: &SimDisk) -> (Wal, Recovered) {
    try_open(disk, options()).unwrap()
}

pub fn try_open(disk: &SimDisk, options: Options) -> Result<(Wal, Recovered), Error> {
    Wal::open(Arc::new(disk.clone()) as Arc<dyn Disk>, Path::new(DIR), options)
}

pub fn log_id(index: u64) -> LogId {
    LogId { term: 1, node_id: 1, index }
}

pub fn partition(number: i32) -> WalPartition {
    WalPartition { topic_id: Uuid::from_u128(0xA0), partition: number }
}

/// A batch as a producer sends it: base offset 0, no leader epoch.
pub fn batch(records: i64, value: &[u8], timestamp: i64) -> RecordBatch {
    let facts = BatchFacts { base_timestamp: timestamp, ..BatchFacts::default() };
    let mut builder = BatchBuilder::new(facts);
    for n in 0..records {
        builder.push(n as i32, n, None, Some(value), &[]);
    }
    builder.build(Compression::None).unwrap()
}

/// An entry and what applying it tells the log.
#[derive(Clone)]
pub struct Entry {
    pub frame: EntryFrame,
    pub batches: Vec<(HotBatch, RecordBatch)>,
}

impl Entry {
    /// An entry that appends each batch at the given base offset of a partition.
    pub fn new(log_id: LogId, appends: &[(i32, i64, RecordBatch)]) -> Entry {
        let meta = Bytes::from(format!("entry {} of term {}", log_id.index, log_id.term));
        let mut at = meta.len();
        let mut parts = vec![meta];
        let mut batches = Vec::new();
        for (number, base_offset, batch) in appends {
            let size = batch.size_bytes();
            let hot = HotBatch {
                partition: partition(*number),
                base_offset: *base_offset,
                last_offset: base_offset + i64::from(batch.record_count()) - 1,
                leader_epoch: log_id.term as i32,
                max_timestamp_ms: batch.header().max_timestamp,
                entry_index: log_id.index,
                range: at..at + size,
            };
            parts.push(batch.bytes().clone());
            at += size;
            batches.push((hot, batch.clone()));
        }
        Entry { frame: EntryFrame { log_id, parts }, batches }
    }

    pub fn payload(&self) -> Vec<u8> {
        self.frame.parts.concat()
    }
}

pub fn append(wal: &Wal, entry: &Entry) -> Result<(), Error> {
    wal.append(vec![entry.frame.clone()], Space::Normal)
}

/// As [`append`], past the page cache and durable.
pub fn place(wal: &Wal, entry: &Entry) -> Result<Synced, Error> {
    wal.place(vec![entry.frame.clone()], Space::Normal)?.write()
}

pub fn index(wal: &Wal, entry: &Entry) {
    for (batch, _) in &entry.batches {
        wal.index_batch(batch.clone()).unwrap();
    }
}

/// One record per entry in partition 0 at offset = index - 1, appended, synced and applied.
pub fn filled(disk: &SimDisk, entries: u64, value: &[u8]) -> Wal {
    let (wal, _) = open(disk);
    fill(&wal, 1..=entries, value);
    wal
}

pub fn fill(wal: &Wal, indexes: std::ops::RangeInclusive<u64>, value: &[u8]) {
    for entry_index in indexes {
        let entry = one_record(entry_index, value);
        append(wal, &entry).unwrap();
        wal.sync().unwrap();
        index(wal, &entry);
    }
}

pub fn one_record(entry_index: u64, value: &[u8]) -> Entry {
    let offset = entry_index as i64 - 1;
    Entry::new(log_id(entry_index), &[(0, offset, batch(1, value, 1_000 + offset))])
}

/// Reads everything hot of a partition from its start, in small reads.
pub fn read_all(wal: &Wal, number: i32) -> Vec<RecordBatch> {
    let Some(mut offset) = wal.hot().start(partition(number)) else {
        return Vec::new();
    };
    let mut batches = Vec::new();
    loop {
        let read = wal.hot().read(partition(number), offset, 700, true).unwrap();
        if read.batches.is_empty() {
            return batches;
        }
        offset = read.next;
        batches.extend(read.batches);
    }
}

/// Base offsets of everything hot in a partition.
pub fn hot_offsets(wal: &Wal, number: i32) -> Vec<i64> {
    read_all(wal, number).iter().map(RecordBatch::base_offset).collect()
}
