//! Whatever goes into an object comes out again, from every offset.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod model;

use model::{Object, Pushed, assert_same, batches, expected_compression, facts, seal, tiny};
use proptest::prelude::*;
use tidemill_archive_format::{
    AbortedTransaction, Codec, ColumnCodec, Disposition, Error, ObjectWriter, WriterOptions,
    first_at_or_after,
};
use tidemill_records::{BatchBuilder, BatchFacts, Compression, RecordBatch, Records};

/// What a fetch has to return, by the definition in `Footer::plan`.
fn expected(batches: &[Pushed], offset: i64, max_bytes: usize) -> &[Pushed] {
    let first = batches.iter().position(|(batch, _)| batch.last_offset() >= offset).unwrap_or(batches.len());
    let mut size = 0;
    let fits = |(batch, _): &&Pushed| {
        let had = size;
        size += batch.size_bytes();
        had == 0 || size <= max_bytes
    };
    let count = batches[first..].iter().take_while(fits).count();
    &batches[first..first + count]
}

fn check_fetch(object: &Object, batches: &[Pushed], offset: i64, max_bytes: usize, codec: Codec) {
    let expected = expected(batches, offset, max_bytes);
    let read = object.read(&object.footer().unwrap(), offset, max_bytes, codec).unwrap();
    let Some(read) = read else {
        assert!(expected.is_empty());
        return;
    };
    // Recompressed batches may be larger than they were, so that fewer fit.
    assert!(!read.batches.is_empty() && read.batches.len() <= expected.len());
    for (batch, (original, _)) in read.batches.iter().zip(expected) {
        assert_same(batch, original, expected_compression(original, codec));
    }
    assert_eq!(read.next_offset, read.batches.last().unwrap().next_offset());
    let returned = &expected[..read.batches.len()];
    let size: usize = read.batches.iter().map(RecordBatch::size_bytes).sum();
    assert!(size <= max_bytes || read.batches.len() == 1);
    let mut aborted: Vec<_> = returned.iter().filter_map(aborted_transaction).collect();
    aborted.sort_by_key(|transaction| (transaction.first_offset, transaction.producer_id));
    aborted.dedup();
    assert_eq!(read.aborted, aborted);
}

fn aborted_transaction((batch, disposition): &Pushed) -> Option<AbortedTransaction> {
    match disposition {
        Disposition::Aborted { first_offset } => {
            Some(AbortedTransaction { producer_id: batch.header().producer_id, first_offset: *first_offset })
        }
        _ => None,
    }
}

fn timestamps(batch: &RecordBatch) -> Vec<(i64, i64)> {
    let section = batch.uncompressed_records(64 << 20).unwrap();
    let records = Records::new(&section, batch.record_count());
    records
        .map(Result::unwrap)
        .map(|record| (batch.offset_of(&record), batch.timestamp_of(&record)))
        .collect()
}

fn check_timestamp(object: &Object, batches: &[Pushed], from: i64, timestamp: i64) {
    let timed = |batch: &RecordBatch| batch.header().max_timestamp >= timestamp && !batch.is_control();
    let all = batches.iter().filter(|(batch, _)| timed(batch));
    let expected =
        all.flat_map(|(batch, _)| timestamps(batch)).find(|(offset, at)| *offset >= from && *at >= timestamp);
    let footer = object.footer().unwrap();
    let (mut next, mut found) = (from, None);
    while let Some(plan) = footer.plan_timestamp(next, timestamp).unwrap() {
        next = plan.next_offset();
        let read = footer.decode(&plan, object.fetch(&plan), Codec::AsProduced).unwrap();
        found = first_at_or_after(&read.batches[0], from, timestamp).unwrap();
        if found.is_some() {
            break;
        }
    }
    assert_eq!(found, expected);
}

fn codecs() -> impl Strategy<Value = Codec> {
    let fixed =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    prop_oneof![Just(Codec::AsProduced), proptest::sample::select(fixed.to_vec()).prop_map(Codec::Fixed)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_fetch_equals_the_original(
        batches in batches(),
        codec in codecs(),
        column_codec in proptest::sample::select(vec![ColumnCodec::Zstd, ColumnCodec::Lz4, ColumnCodec::None]),
        probes in proptest::collection::vec((any::<prop::sample::Index>(), -2..12i64, 0..20_000usize), 1..12),
    ) {
        let object = seal(&batches, tiny(column_codec));
        check_summary(&object, &batches);
        check_fetch(&object, &batches, 0, usize::MAX, codec);
        for (index, shift, max_bytes) in probes {
            if batches.is_empty() {
                continue;
            }
            let (batch, _) = index.get(&batches);
            let offset = batch.base_offset() + shift;
            check_fetch(&object, &batches, offset, max_bytes, codec);
            check_timestamp(&object, &batches, offset, batch.header().max_timestamp.saturating_add(shift));
        }
    }
}

fn check_summary(object: &Object, batches: &[Pushed]) {
    let summary = &object.summary;
    let footer = object.footer().unwrap();
    assert_eq!(summary.crc32c, crc32c::crc32c(&object.bytes));
    assert_eq!(summary.length_bytes, object.bytes.len() as u64);
    assert_eq!(footer.facts(), &facts());
    assert_eq!(footer.batch_count(), batches.len() as u64);
    let committed = || batches.iter().filter(|(_, disposition)| *disposition == Disposition::Committed);
    let rows: u64 = committed().map(|(batch, _)| batch.record_count() as u64).sum();
    assert_eq!((summary.row_count, footer.row_count()), (rows, rows));
    let times: Vec<i64> = committed().flat_map(|(batch, _)| timestamps(batch)).map(|(_, at)| at).collect();
    assert_eq!(summary.min_timestamp_ms, times.iter().copied().min().unwrap_or(-1));
    assert_eq!(summary.max_timestamp_ms, times.iter().copied().max().unwrap_or(-1));
    let first = batches.first().map(|(batch, _)| batch.base_offset());
    let last = batches.last().map(|(batch, _)| batch.last_offset());
    assert_eq!((footer.base_offset(), footer.last_offset()), (first, last));
    assert_eq!((summary.base_offset, summary.last_offset), (first.unwrap_or(-1), last.unwrap_or(-1)));
    let mut epochs: Vec<(i32, i64)> = batches
        .iter()
        .map(|(batch, _)| (batch.header().partition_leader_epoch, batch.base_offset()))
        .collect();
    epochs.dedup_by_key(|(epoch, _)| *epoch);
    assert_eq!(summary.leader_epochs, epochs);
}

fn small_batch(offset: i64, size: usize) -> Pushed {
    let facts = BatchFacts { base_offset: offset, base_timestamp: offset, ..BatchFacts::default() };
    let value = format!("{offset}{}", "x".repeat(size));
    let mut builder = BatchBuilder::new(facts);
    builder.push(0, 0, Some(b"key"), Some(value.as_bytes()), &[]);
    (builder.build(Compression::None).unwrap(), Disposition::Committed)
}

#[test]
fn many_small_batches_fill_several_chunks_of_the_table() {
    let batches: Vec<Pushed> = (0..5000).map(|offset| small_batch(offset * 2, 10)).collect();
    let object = seal(&batches, WriterOptions::default());
    for offset in [0, 1, 2046, 2047, 2048, 2049, 9997, 9998, 9999] {
        check_fetch(&object, &batches, offset, 5000, Codec::AsProduced);
        check_timestamp(&object, &batches, 0, offset);
    }
    let footer = object.footer().unwrap();
    // The columns, the table and the page index together: far less than the batches' own headers.
    assert!(object.bytes.len() < 5000 * 30, "{} bytes", object.bytes.len());
    assert!(footer.memory_bytes() < 5000 * 30, "{} bytes", footer.memory_bytes());
}

#[test]
fn a_fetch_reads_a_small_part_of_a_large_object() {
    let batches: Vec<Pushed> = (0..3000).map(|offset| small_batch(offset, 4000)).collect();
    let options =
        WriterOptions { codec: ColumnCodec::None, row_group_bytes: 4 << 20, ..WriterOptions::default() };
    let object = seal(&batches, options);
    let plan = object.footer().unwrap().plan(1500, 1 << 20).unwrap().unwrap();
    let fetched: u64 = plan.ranges().iter().map(|range| range.end - range.start).sum();
    assert!(plan.batch_count() > 200);
    assert!(fetched < 3 << 20, "{fetched} bytes in {:?}", plan.ranges());
    check_fetch(&object, &batches, 1500, 1 << 20, Codec::Fixed(Compression::Lz4));
}

#[test]
fn large_records_get_pages_of_their_own() {
    let batches: Vec<Pushed> = [(0, 10), (1, 3 << 20), (2, 10), (3, 700 << 10), (4, 900 << 10), (5, 10)]
        .into_iter()
        .map(|(offset, size)| small_batch(offset, size))
        .collect();
    let object = seal(&batches, WriterOptions::default());
    for offset in 0..6 {
        check_fetch(&object, &batches, offset, 1 << 20, Codec::AsProduced);
    }
}

#[test]
fn refuses_what_is_out_of_order_or_mislabelled() {
    let mut out = Vec::new();
    let mut writer = ObjectWriter::new(facts(), WriterOptions::default(), &mut out).unwrap();
    let (second, _) = small_batch(5, 10);
    writer.push(&second, Disposition::Committed).unwrap();
    let (first, _) = small_batch(4, 10);
    assert!(matches!(writer.push(&first, Disposition::Committed), Err(Error::Rejected { offset: 4, .. })));
    let (third, _) = small_batch(6, 10);
    assert!(matches!(writer.push(&third, Disposition::Control), Err(Error::Rejected { .. })));
}
