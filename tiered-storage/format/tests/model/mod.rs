//! Batches of every kind, objects made of them, and what a consumer must be able to read back.

#![allow(dead_code, reason = "each test uses its part of the model")]

pub mod forge;

use std::ops::Range;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tidemill_archive_format::{
    Codec, ColumnCodec, Decoded, Disposition, Error, Footer, ObjectFacts, ObjectSummary, ObjectWriter, Plan,
    WriterOptions,
};
use tidemill_records::control::{EndTransaction, TransactionResult, end_transaction_batch};
use tidemill_records::{BatchBuilder, BatchFacts, Compression, RecordBatch, TimestampType};
use uuid::Uuid;

pub type Pushed = (RecordBatch, Disposition);
type HeaderBytes = (Vec<u8>, Option<Vec<u8>>);

/// A record before it has an offset.
#[derive(Clone, Debug)]
pub struct RecordPlan {
    gap: i32,
    time: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<HeaderBytes>,
}

/// A batch before it has an offset.
#[derive(Clone, Debug)]
pub struct BatchPlan {
    gap: i64,
    kind: u8,
    codec: Compression,
    base_timestamp: i64,
    log_append_time: Option<i64>,
    producer: Option<(i64, i16, i32)>,
    epoch_step: i32,
    tail_gap: i32,
    records: Vec<RecordPlan>,
}

fn header() -> impl Strategy<Value = HeaderBytes> {
    let key = prop_oneof![
        4 => "[a-z]{0,6}".prop_map(String::into_bytes),
        1 => "\\PC{0,4}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..5),
    ];
    (key, option::of(vec(any::<u8>(), 0..20)))
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => "[a-c]{0,16}".prop_map(String::into_bytes),
        2 => vec(any::<u8>(), 0..64),
        1 => (any::<u8>(), 0..4000usize).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn record() -> impl Strategy<Value = RecordPlan> {
    let gap = prop_oneof![8 => Just(0), 1 => 0..5i32];
    let time = prop_oneof![4 => Just(0), 4 => -100..100i64, 1 => -1_000_000_000_000..1_000_000_000_000i64];
    let headers = prop_oneof![2 => Just(Vec::new()), 1 => vec(header(), 0..4)];
    (gap, time, option::of(bytes()), option::of(bytes()), headers)
        .prop_map(|(gap, time, key, value, headers)| RecordPlan { gap, time, key, value, headers })
}

fn batch() -> impl Strategy<Value = BatchPlan> {
    let codec = prop_oneof![
        Just(Compression::None),
        Just(Compression::Gzip),
        Just(Compression::Snappy),
        Just(Compression::Lz4),
        Just(Compression::Zstd)
    ];
    let base_timestamp = prop_oneof![
        8 => 1_700_000_000_000..1_800_000_000_000i64,
        1 => Just(-1),
        1 => (i64::MAX / 1000 - 10)..(i64::MAX / 1000 + 10),
        1 => Just(i64::MAX - 2_000_000_000_000),
    ];
    let log_append_time = prop_oneof![3 => Just(None), 1 => (0..2_000_000_000_000i64).prop_map(Some)];
    let producer = option::of((0..5i64, 0..3i16, 0..1000i32));
    let kind = prop_oneof![6 => Just(0u8), 2 => Just(1), 1 => Just(2), 1 => Just(3), 1 => Just(4)];
    let shape = (prop_oneof![4 => Just(0), 1 => 1..50i64], kind, codec, base_timestamp, log_append_time);
    let rest = (producer, prop_oneof![9 => Just(0), 1 => Just(1)], prop_oneof![9 => Just(0), 1 => 1..9i32]);
    (shape, rest, vec(record(), 0..12)).prop_map(|(shape, rest, records)| {
        let (gap, kind, codec, base_timestamp, log_append_time) = shape;
        let (producer, epoch_step, tail_gap) = rest;
        let plan = BatchPlan {
            gap,
            kind,
            codec,
            base_timestamp,
            log_append_time,
            producer,
            epoch_step,
            tail_gap,
            records,
        };
        BatchPlan { log_append_time: plan.log_append_time.filter(|_| kind < 3), ..plan }
    })
}

/// Runs of batches.
pub fn batches() -> impl Strategy<Value = Vec<Pushed>> {
    (0..1_000_000i64, vec(batch(), 0..24)).prop_map(|(start, plans)| lay_out(start, plans))
}

fn lay_out(start: i64, plans: Vec<BatchPlan>) -> Vec<Pushed> {
    let (mut next, mut epoch) = (start, 0);
    let mut pushed = Vec::new();
    for plan in plans {
        epoch += plan.epoch_step;
        let base = next + plan.gap;
        let made = make(base, epoch, &plan);
        next = made.0.next_offset();
        pushed.push(made);
    }
    pushed
}

fn make(base_offset: i64, epoch: i32, plan: &BatchPlan) -> Pushed {
    let (producer_id, producer_epoch, base_sequence) = plan.producer.unwrap_or((-1, -1, -1));
    if plan.kind >= 3 {
        let result = if plan.kind == 3 { TransactionResult::Abort } else { TransactionResult::Commit };
        let end = EndTransaction { result, coordinator_epoch: 3 };
        let batch =
            end_transaction_batch(producer_id.max(0), producer_epoch.max(0), end, plan.base_timestamp);
        return (batch.unwrap().patched(base_offset, epoch), Disposition::Control);
    }
    let transactional = plan.kind > 0;
    let mut offset_delta = -1;
    let mut deltas = Vec::new();
    for record in &plan.records {
        offset_delta += 1 + record.gap;
        deltas.push(offset_delta);
    }
    let max = plan.records.iter().map(|record| plan.base_timestamp + record.time).max();
    let mut builder = BatchBuilder::new(BatchFacts {
        base_offset,
        partition_leader_epoch: epoch,
        base_timestamp: plan.base_timestamp,
        timestamp_type: plan
            .log_append_time
            .map_or(TimestampType::CreateTime, |_| TimestampType::LogAppendTime),
        max_timestamp: plan.log_append_time.or(max),
        last_offset_delta: Some(offset_delta.max(0) + plan.tail_gap),
        producer_id,
        producer_epoch,
        base_sequence,
        is_transactional: transactional,
        is_control: false,
        has_delete_horizon: false,
    });
    for (record, delta) in plan.records.iter().zip(deltas) {
        let headers: Vec<_> =
            record.headers.iter().map(|(key, value)| (key.as_slice(), value.as_deref())).collect();
        builder.push(delta, record.time, record.key.as_deref(), record.value.as_deref(), &headers);
    }
    let disposition = match plan.kind {
        1 => Disposition::Aborted { first_offset: (base_offset - 3).max(0) },
        _ => Disposition::Committed,
    };
    (builder.build(plan.codec).unwrap(), disposition)
}

pub fn facts() -> ObjectFacts {
    ObjectFacts { topic: "flights".into(), topic_id: Uuid::from_u128(0x7ea), partition: 3 }
}

/// Options that make even a small object have several row groups, pages and side blocks.
pub fn tiny(codec: ColumnCodec) -> WriterOptions {
    WriterOptions { codec, row_group_bytes: 8 << 10, page_bytes: 1 << 10, ..WriterOptions::default() }
}

/// An object in memory.
pub struct Object {
    pub bytes: Bytes,
    pub summary: ObjectSummary,
}

pub fn seal(batches: &[Pushed], options: WriterOptions) -> Object {
    let mut bytes = Vec::new();
    let mut writer = ObjectWriter::new(facts(), options, &mut bytes).unwrap();
    for (batch, disposition) in batches {
        writer.push(batch, *disposition).unwrap();
    }
    let summary = writer.finish().unwrap();
    Object { bytes: Bytes::from(bytes), summary }
}

impl Object {
    pub fn footer(&self) -> Result<Footer, Error> {
        let tail = self.bytes.len().saturating_sub(self.summary.footer_bytes as usize);
        Footer::parse(self.bytes.slice(tail..), self.bytes.len() as u64, Some(self.summary.crc32c))
    }

    pub fn fetch(&self, plan: &Plan) -> Vec<Bytes> {
        let piece = |range: &Range<u64>| self.bytes.slice(range.start as usize..range.end as usize);
        plan.ranges().iter().map(piece).collect()
    }

    pub fn read(
        &self,
        footer: &Footer,
        offset: i64,
        max_bytes: usize,
        codec: Codec,
    ) -> Result<Option<Decoded>, Error> {
        match footer.plan(offset, max_bytes)? {
            Some(plan) => footer.decode(&plan, self.fetch(&plan), codec).map(Some),
            None => Ok(None),
        }
    }
}

/// Everything a consumer can see of a batch, apart from how its records are compressed.
pub fn assert_same(read: &RecordBatch, original: &RecordBatch, compression: Compression) {
    read.verify_crc().unwrap();
    assert_eq!(read.compression(), compression);
    let (mut left, mut right) = (*read.header(), *original.header());
    for header in [&mut left, &mut right] {
        header.crc = 0;
        header.batch_length = 0;
        header.attributes = header.attributes.with_compression(Compression::None);
    }
    assert_eq!(left, right);
    let limit = 64 << 20;
    assert_eq!(read.uncompressed_records(limit).unwrap(), original.uncompressed_records(limit).unwrap());
}

/// The codec that a batch comes back in.
pub fn expected_compression(batch: &RecordBatch, codec: Codec) -> Compression {
    match codec {
        _ if batch.is_control() => Compression::None,
        Codec::AsProduced => batch.compression(),
        Codec::Fixed(compression) => compression,
    }
}
