//! An object of each format version, written once and kept: what it holds must stay readable.
//!
//! To add one for a new version, run with `UPDATE_GOLDEN=1`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod model;

use std::path::PathBuf;

use bytes::Bytes;
use model::{Pushed, assert_same, expected_compression, seal, tiny};
use tidemill_archive_format::{AbortedTransaction, Codec, ColumnCodec, Disposition, FORMAT_VERSION, Footer};
use tidemill_records::control::{EndTransaction, TransactionResult, end_transaction_batch};
use tidemill_records::{BatchBuilder, BatchFacts, Compression, TimestampType};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// One batch of every kind.
fn batches() -> Vec<Pushed> {
    let facts = BatchFacts {
        base_offset: 1000,
        partition_leader_epoch: 7,
        base_timestamp: 1_700_000_000_000,
        producer_id: 42,
        producer_epoch: 1,
        base_sequence: 10,
        ..BatchFacts::default()
    };
    let full = BatchBuilder::new(facts)
        .push(
            0,
            0,
            Some(b"key"),
            Some("naïve café".as_bytes()),
            &[(b"a", Some(b"1")), (b"a", None), (b"", Some(b""))],
        )
        .push(1, 5, None, Some(b""), &[])
        .push(2, -5, Some(b""), None, &[(b"\xff\xfe", Some(b"not UTF-8"))])
        .build(Compression::Zstd);
    let aborted = BatchBuilder::new(BatchFacts { base_offset: 1003, is_transactional: true, ..facts })
        .push(0, 1, Some(b"k"), Some(b"aborted"), &[])
        .build(Compression::Lz4);
    let marker = EndTransaction { result: TransactionResult::Abort, coordinator_epoch: 3 };
    let marker = end_transaction_batch(42, 1, marker, 1_700_000_000_100).map(|batch| batch.patched(1004, 7));
    let log_append_time = BatchFacts {
        base_offset: 1010,
        partition_leader_epoch: 8,
        timestamp_type: TimestampType::LogAppendTime,
        max_timestamp: Some(1_700_000_001_000),
        last_offset_delta: Some(9),
        ..facts
    };
    let gaps = BatchBuilder::new(log_append_time)
        .push(0, 3, None, Some(b"gap follows"), &[])
        .push(4, 9, None, Some(b"and another"), &[])
        .build(Compression::Gzip);
    let empty =
        BatchFacts { base_offset: 1020, last_offset_delta: Some(4), max_timestamp: Some(-1), ..facts };
    let empty = BatchBuilder::new(empty).build(Compression::None);
    let far = BatchFacts { base_offset: 1025, base_timestamp: i64::MAX - 10, ..BatchFacts::default() };
    let far = BatchBuilder::new(far).push(0, 1, None, Some(b"far future"), &[]).build(Compression::Snappy);
    vec![
        (full.unwrap(), Disposition::Committed),
        (aborted.unwrap(), Disposition::Aborted { first_offset: 990 }),
        (marker.unwrap(), Disposition::Control),
        (gaps.unwrap(), Disposition::Committed),
        (empty.unwrap(), Disposition::Committed),
        (far.unwrap(), Disposition::Committed),
    ]
}

#[test]
fn the_golden_object_of_each_version_is_read() {
    let batches = batches();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let object = seal(&batches, tiny(ColumnCodec::Zstd));
        let name = format!("object-v{FORMAT_VERSION}.parquet");
        assert!(!path(&name).exists(), "golden files are not replaced");
        std::fs::write(path(&name), &object.bytes).unwrap();
        let facts = format!("{} {}\n", object.summary.footer_bytes, object.summary.crc32c);
        std::fs::write(path(&name).with_extension("txt"), facts).unwrap();
    }
    for version in 1..=FORMAT_VERSION {
        let file = path(&format!("object-v{version}.parquet"));
        let bytes = Bytes::from(std::fs::read(&file).unwrap());
        let facts = std::fs::read_to_string(file.with_extension("txt")).unwrap();
        let (footer_bytes, crc32c) = facts.trim().split_once(' ').unwrap();
        let tail = bytes.len() - footer_bytes.parse::<usize>().unwrap();
        let crc32c = Some(crc32c.parse().unwrap());
        let footer = Footer::parse(bytes.slice(tail..), bytes.len() as u64, crc32c).unwrap();
        let plan = footer.plan(0, usize::MAX).unwrap().unwrap();
        let fetch = |range: &std::ops::Range<u64>| bytes.slice(range.start as usize..range.end as usize);
        let read =
            footer.decode(&plan, plan.ranges().iter().map(fetch).collect(), Codec::AsProduced).unwrap();
        assert_eq!(read.batches.len(), batches.len());
        for (read, (original, _)) in read.batches.iter().zip(&batches) {
            assert_same(read, original, expected_compression(original, Codec::AsProduced));
        }
        assert_eq!(read.aborted, [AbortedTransaction { producer_id: 42, first_offset: 990 }]);
    }
}
