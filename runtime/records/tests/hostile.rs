//! What only someone who means harm sends, and what must not be mixed up.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test support")]

use bytes::Bytes;
use tidemill_records::control::{
    ControlRecord, EndTransaction, TransactionResult, end_transaction_batch, parse_control_batch,
};
use tidemill_records::{
    Attributes, BatchBuilder, BatchFacts, BatchHeader, Compression, Error, ErrorKind, Limits, RecordBatch,
    RecordFault, Records, batch_from_section, summarize_section, validate_produce,
};

const NOW_MS: i64 = 1_700_000_000_000;
const LIMIT: usize = 1 << 20;
const COMPRESSED: [Compression; 4] =
    [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

/// A batch that says it is compressed so, around these bytes.
fn around(codec: Compression, stream: &[u8]) -> RecordBatch {
    let facts = BatchFacts { base_timestamp: NOW_MS, ..BatchFacts::default() };
    let template = BatchBuilder::new(facts).push(0, 0, None, None, &[]).build(Compression::None).unwrap();
    let header = BatchHeader {
        attributes: Attributes::default().with_compression(codec),
        batch_length: (49 + stream.len()) as i32,
        ..*template.header()
    };
    let mut bytes = [&header.encode()[..], stream].concat();
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    RecordBatch::parse(Bytes::from(bytes)).unwrap()
}

fn one_record(value: &[u8]) -> BatchBuilder {
    let facts = BatchFacts { base_timestamp: NOW_MS, ..BatchFacts::default() };
    let mut builder = BatchBuilder::new(facts);
    builder.push(0, 0, None, Some(value), &[]);
    builder
}

/// Makes the peak start again from what is used now (Linux).
fn forget_peak_memory() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn bombs_stop_at_the_limit() {
    let batches: Vec<RecordBatch> = {
        let builder = one_record(&vec![0; 100 << 20]);
        COMPRESSED.map(|codec| builder.build(codec).unwrap()).to_vec()
    };
    let limits = Limits { max_batch_bytes: 64 << 20, max_uncompressed_bytes: LIMIT, ..Limits::at(NOW_MS) };
    forget_peak_memory();
    let before = peak_memory_kib();
    for batch in &batches {
        let expected = Error::DecompressedTooLarge {
            codec: batch.compression(),
            compressed: batch.records_section().len(),
            limit: LIMIT,
        };
        assert_eq!(batch.uncompressed_records(LIMIT), Err(expected.clone()));
        assert_eq!(validate_produce(batch, &limits), Err(expected.clone()));
        assert_eq!(expected.kind(), ErrorKind::MessageTooLarge);
    }
    let grown = peak_memory_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "decompression took {grown} KiB");
}

#[test]
fn the_limit_is_exact() {
    let builder = one_record(&[7; 5000]);
    let size = builder.section_bytes();
    for codec in COMPRESSED {
        let batch = builder.build(codec).unwrap();
        assert_eq!(batch.uncompressed_records(size).unwrap(), builder.section());
        assert!(matches!(batch.uncompressed_records(size - 1), Err(Error::DecompressedTooLarge { .. })));
        assert!(matches!(batch.uncompressed_records(0), Err(Error::DecompressedTooLarge { .. })));
    }
}

#[test]
fn claimed_sizes_are_not_believed() {
    // Snappy: a block that claims 4 GiB. zstd: a frame that claims 2^62 bytes, single segment; a
    // window of 2^41. LZ4: a content size of 2^62, and no block.
    let snappy = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0];
    let framed = [&b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\x7f\xff\xff\xff"[..], &snappy].concat();
    let zstd_size = [0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0];
    let zstd_window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xff, 0x01, 0, 0];
    let lz4 = [4, 0x22, 0x4d, 0x18, 0x68, 0x70, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x2f];
    let streams = [
        (Compression::Snappy, &snappy[..]),
        (Compression::Snappy, &framed),
        (Compression::Zstd, &zstd_size),
        (Compression::Zstd, &zstd_window),
        (Compression::Lz4, &lz4),
    ];
    for (codec, stream) in streams {
        let error = around(codec, stream).uncompressed_records(usize::MAX).unwrap_err();
        assert!(matches!(error, Error::Decompress { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::InvalidRecord);
    }
}

#[test]
fn gzip_members_are_few() {
    let member = one_record(b"").build(Compression::Gzip).unwrap().records_section().to_vec();
    assert!(around(Compression::Gzip, &member.repeat(64)).uncompressed_records(LIMIT).is_ok());
    let error = around(Compression::Gzip, &member.repeat(65)).uncompressed_records(LIMIT).unwrap_err();
    assert!(matches!(error, Error::Decompress { .. }));
}

#[test]
fn a_broken_stream_spoils_no_later_one() {
    let limits = Limits::at(NOW_MS);
    for codec in COMPRESSED {
        let good = one_record(b"value").build(codec).unwrap();
        let cut = good.records_section().split_last().unwrap().1;
        for _ in 0..3 {
            assert!(validate_produce(&around(codec, cut), &limits).is_err());
            validate_produce(&good, &limits).unwrap();
        }
    }
}

#[test]
fn a_huge_count_costs_nothing() {
    for codec in Compression::ALL {
        let mut header = *one_record(b"v").build(codec).unwrap().header();
        header.record_count = i32::MAX;
        header.last_offset_delta = i32::MAX - 1;
        let section = one_record(b"v").build(codec).unwrap().records_section().to_vec();
        let bytes = Bytes::from([&header.encode()[..], &section].concat());
        match RecordBatch::parse(bytes) {
            Err(error) => assert_eq!((codec, error.kind()), (Compression::None, ErrorKind::InvalidRecord)),
            Ok(batch) => {
                let section = batch.uncompressed_records(LIMIT).unwrap();
                assert_eq!(Records::new(&section, batch.record_count()).count(), 2);
            }
        }
    }
}

#[test]
fn null_and_empty_stay_apart() {
    let mut builder = BatchBuilder::new(BatchFacts::default());
    builder.push(0, 0, None, Some(b""), &[(b"", None), (b"", Some(b""))]).push(1, 0, Some(b""), None, &[]);
    let batch = builder.build(Compression::Lz4).unwrap();
    let section = batch.uncompressed_records(LIMIT).unwrap();
    let records: Vec<_> = Records::new(&section, 2).map(Result::unwrap).collect();
    assert_eq!((records[0].key, records[0].value), (None, Some(&b""[..])));
    assert_eq!((records[1].key, records[1].value), (Some(&b""[..]), None));
    assert_eq!(records[0].headers.iter().collect::<Vec<_>>(), [(&b""[..], None), (b"", Some(&b""[..]))]);
    assert_eq!(records[0].headers.last(b""), Some(Some(&b""[..])));
    assert_eq!(records[1].headers.last(b""), None);
}

#[test]
fn a_wrong_max_timestamp_is_corrected() {
    let facts = BatchFacts { base_timestamp: NOW_MS, max_timestamp: Some(5), ..BatchFacts::default() };
    let mut builder = BatchBuilder::new(facts);
    builder.push(0, -9, None, None, &[]).push(1, -2, None, None, &[]).push(2, -2, None, None, &[]);
    for codec in Compression::ALL {
        let batch = builder.build(codec).unwrap();
        let validated = validate_produce(&batch, &Limits::at(NOW_MS)).unwrap();
        assert_eq!((validated.max_timestamp, validated.max_timestamp_offset_delta), (NOW_MS - 2, 1));
        assert_eq!(validated.batch.header().max_timestamp, NOW_MS - 2);
        assert_eq!(validated.batch.records_section(), batch.records_section());
        validated.batch.verify_crc().unwrap();
        assert_eq!(RecordBatch::parse(validated.batch.bytes().clone()).unwrap(), validated.batch);
    }
}

#[test]
fn a_compacted_topic_names_the_record_without_key() {
    let mut builder = BatchBuilder::new(BatchFacts { base_timestamp: NOW_MS, ..BatchFacts::default() });
    builder.push(0, 0, Some(b"k"), None, &[]).push(1, 0, None, None, &[]);
    let limits = Limits { requires_key: true, ..Limits::at(NOW_MS) };
    let error = validate_produce(&builder.build(Compression::Gzip).unwrap(), &limits).unwrap_err();
    assert_eq!(error, Error::InvalidRecord { index: 1, fault: RecordFault::MissingKey });
    assert_eq!((error.record_index(), error.kind().code()), (Some(1), 87));
}

#[test]
fn a_section_from_anywhere_is_checked() {
    let summary = summarize_section(one_record(b"v").section()).unwrap();
    assert_eq!((summary.record_count, summary.last_offset_delta), (1, 0));
    assert!(summary.is_consecutive);
    let facts = BatchFacts::default();
    assert!(batch_from_section(&facts, b"\x02garbage", Compression::None).is_err());
    let mut backwards = BatchBuilder::new(facts);
    backwards.push(3, 0, None, None, &[]).push(3, 0, None, None, &[]);
    assert_eq!(
        backwards.build(Compression::None).unwrap_err(),
        Error::InvalidRecord { index: 1, fault: RecordFault::OffsetDelta { expected: 4, found: 3 } }
    );
    let mut gaps = BatchBuilder::new(BatchFacts { last_offset_delta: Some(9), ..facts });
    gaps.push(3, 5, None, None, &[]).push(7, 1, None, None, &[]);
    assert!(!summarize_section(gaps.section()).unwrap().is_consecutive);
    let batch = gaps.build(Compression::Zstd).unwrap();
    assert_eq!((batch.next_offset(), batch.record_count(), batch.header().max_timestamp), (10, 2, 5));
    let short = BatchFacts { last_offset_delta: Some(6), ..facts };
    assert!(batch_from_section(&short, gaps.section(), Compression::None).is_err());
}

#[test]
fn transaction_markers_round_trip() {
    for result in [TransactionResult::Commit, TransactionResult::Abort] {
        let marker = EndTransaction { result, coordinator_epoch: 11 };
        let batch = end_transaction_batch(4000, 3, marker, NOW_MS).unwrap();
        assert!(batch.is_control() && batch.is_transactional());
        assert_eq!((batch.header().producer_id, batch.header().producer_epoch), (4000, 3));
        assert_eq!(batch.header().base_sequence, -1);
        batch.verify_crc().unwrap();
        assert_eq!(parse_control_batch(&batch).unwrap(), ControlRecord::EndTransaction(marker));
        assert!(validate_produce(&batch, &Limits::at(NOW_MS)).is_err(), "not from a client");
    }
    assert!(parse_control_batch(&one_record(b"v").build(Compression::None).unwrap()).is_err());
}

#[test]
fn sequence_numbers_wrap() {
    let facts =
        BatchFacts { producer_id: 1, producer_epoch: 0, base_sequence: i32::MAX, ..BatchFacts::default() };
    let mut builder = BatchBuilder::new(facts);
    builder.push(0, 0, None, None, &[]).push(1, 0, None, None, &[]);
    assert_eq!(builder.build(Compression::None).unwrap().header().last_sequence(), 0);
    assert_eq!(one_record(b"").build(Compression::None).unwrap().header().last_sequence(), -1);
}
