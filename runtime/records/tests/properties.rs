//! The codec against a simple model: round trips, damage, and validation.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test support")]

mod model;

use bytes::Bytes;
use model::{ModelRecord, builder, compression, records, reference};
use proptest::prelude::*;
use tidemill_records::{
    BatchFacts, BatchHeader, Compression, Error, HEADER_BYTES, Limits, RecordBatch, Records,
    summarize_section, validate_produce,
};

const NOW_MS: i64 = 1_700_000_000_000;

fn facts() -> BatchFacts {
    BatchFacts { base_timestamp: NOW_MS, ..BatchFacts::default() }
}

fn limits() -> Limits {
    Limits { max_batch_bytes: 8 << 20, ..Limits::at(NOW_MS) }
}

fn read(batch: &RecordBatch) -> Result<Vec<ModelRecord>, Error> {
    let section = batch.uncompressed_records(8 << 20)?;
    Records::new(&section, batch.record_count()).map(|record| record.map(ModelRecord::from)).collect()
}

/// Puts the right CRC and length in, so that what is wrong is wrong behind them.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn field_values() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(0),
        Just(-1),
        Just(1),
        Just(i64::MAX),
        Just(i64::MIN),
        Just(NOW_MS + 10_000_000),
        -2i64..20,
        any::<i64>(),
    ]
}

/// A batch with one or two header fields replaced.
fn with_fields(batch: &RecordBatch, changes: &[(usize, i64)]) -> Vec<u8> {
    let mut header = *batch.header();
    for (field, value) in changes {
        let value = *value;
        match field % 8 {
            0 => header.attributes = tidemill_records::Attributes::from_bits(value as i16),
            1 => header.last_offset_delta = value as i32,
            2 => header.base_timestamp = value,
            3 => header.max_timestamp = value,
            4 => header.producer_id = value,
            5 => header.producer_epoch = value as i16,
            6 => header.base_sequence = value as i32,
            _ => header.record_count = value as i32,
        }
    }
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(batch.records_section());
    sealed(bytes)
}

/// Our verdict and the reference's have to be the same, down to the records.
fn assert_agreement(bytes: Vec<u8>, limits: &Limits) -> Result<(), TestCaseError> {
    let ours = RecordBatch::parse(Bytes::from(bytes.clone()))
        .and_then(|batch| validate_produce(&batch, limits))
        .and_then(|validated| read(&validated.batch));
    match (ours, reference(&bytes, limits)) {
        (Ok(ours), Some(expected)) => prop_assert_eq!(ours, expected),
        (Err(_), None) => (),
        (Ok(_), None) => return Err(TestCaseError::fail("taken, but the reference refuses")),
        (Err(error), Some(_)) => {
            return Err(TestCaseError::fail(format!("refused, but the reference takes it: {error}")));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_built_is_read(records in records(), codec in compression(), base in 0i64..1 << 40, epoch in 0i32..9) {
        let batch = builder(facts(), &records).build(codec).unwrap();
        batch.verify_crc().unwrap();
        let parsed = RecordBatch::parse(batch.bytes().clone()).unwrap();
        prop_assert_eq!(&parsed, &batch);
        prop_assert_eq!(&read(&parsed).unwrap(), &records);
        prop_assert_eq!(BatchHeader::decode(&batch.header().encode()).unwrap(), *batch.header());
        let validated = validate_produce(&batch, &limits()).unwrap();
        prop_assert_eq!(&validated.batch, &batch);
        prop_assert_eq!(reference(&batch.bytes(), &limits()).unwrap(), records);

        let patched = batch.patched(base, epoch);
        patched.verify_crc().unwrap();
        prop_assert_eq!(patched.base_offset(), base);
        prop_assert_eq!(patched.header().partition_leader_epoch, epoch);
        prop_assert_eq!(patched.next_offset(), base + i64::from(batch.record_count()));
        prop_assert_eq!(&patched.bytes()[..HEADER_BYTES], &patched.header_bytes()[..]);
        prop_assert_eq!(patched.pieces().1.as_ptr_range().end, batch.bytes().as_ptr_range().end);
        prop_assert_eq!(RecordBatch::parse(patched.bytes()).unwrap(), patched.clone());
        prop_assert_eq!(patched.records_section(), batch.records_section());
    }

    #[test]
    fn a_batch_splits_off_what_follows(records in records(), codec in compression(), tail in proptest::collection::vec(any::<u8>(), 0..80)) {
        let batch = builder(facts(), &records).build(codec).unwrap();
        let mut buffer = batch.bytes().to_vec();
        buffer.extend_from_slice(&tail);
        let mut buffer = Bytes::from(buffer);
        prop_assert_eq!(RecordBatch::split(&mut buffer).unwrap(), batch.clone());
        prop_assert_eq!(&buffer[..], &tail[..]);
        for cut in [0, 1, HEADER_BYTES - 1, HEADER_BYTES, batch.size_bytes() - 1] {
            prop_assert!(RecordBatch::parse(batch.bytes().slice(..cut)).is_err());
        }
    }

    #[test]
    fn damage_is_noticed(records in records(), codec in compression(), at in any::<prop::sample::Index>(), flip in 1u8..) {
        let batch = builder(facts(), &records).build(codec).unwrap();
        let mut bytes = batch.bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        // Only base offset and leader epoch are outside of length and CRC; of these a producer's
        // leader epoch may be anything.
        let harmless = (12..16).contains(&at);
        let verdict = RecordBatch::parse(Bytes::from(bytes)).and_then(|batch| validate_produce(&batch, &limits()));
        prop_assert_eq!(verdict.is_ok(), harmless);
    }

    #[test]
    fn damage_behind_a_matching_crc_is_judged_alike(records in records(), codec in compression(), at in any::<prop::sample::Index>(), flip in 1u8..) {
        let batch = builder(facts(), &records).build(codec).unwrap();
        let mut bytes = batch.bytes().to_vec();
        let at = at.index(bytes.len() - 16) + 16;
        bytes[at] ^= flip;
        assert_agreement(sealed(bytes), &limits())?;
    }

    #[test]
    fn damaged_records_are_judged_alike(records in records(), codec in compression(), edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3)) {
        // Small sections, so that framing is hit more often than values.
        let records: Vec<_> = records.into_iter().take(3).map(|mut record| {
            record.key = record.key.map(|key| key.into_iter().take(3).collect());
            record.value = record.value.map(|value| value.into_iter().take(3).collect());
            record
        }).collect();
        let whole = builder(facts(), &records);
        let mut section = whole.section().to_vec();
        for (at, value) in &edits {
            let at = at.index(section.len());
            section[at] = *value;
        }
        let count = records.len() as i32;
        let mut header = *whole.build(Compression::None).unwrap().header();
        header.attributes = header.attributes.with_compression(codec);
        let mut bytes = header.encode().to_vec();
        bytes.extend_from_slice(&compress(codec, &section));
        prop_assert_eq!(header.record_count, count);
        assert_agreement(sealed(bytes), &Limits { requires_key: count == 2, ..limits() })?;
        if let Ok(summary) = summarize_section(&section) {
            prop_assert_eq!(Records::new(&section, summary.record_count).filter(Result::is_ok).count(), summary.record_count as usize);
        }
    }

    #[test]
    fn header_rules_are_judged_alike(records in records(), codec in compression(), changes in proptest::collection::vec((0usize..8, field_values()), 1..3), now in 0i64..3) {
        let batch = builder(facts(), &records).build(codec).unwrap();
        let limits = Limits { timestamp_before_max_ms: 2_000_000, now_ms: NOW_MS + (now - 1) * 3_000_000, ..limits() };
        assert_agreement(with_fields(&batch, &changes), &limits)?;
    }

    #[test]
    fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..300), codec in compression(), count in any::<i32>()) {
        let _ = RecordBatch::parse(Bytes::from(noise.clone()));
        let _ = summarize_section(&noise);
        let seen = Records::new(&noise, count).count();
        prop_assert!(seen <= noise.len() + 1);
        let mut header = *builder(facts(), &[]).build(codec).unwrap().header();
        header.record_count = count;
        let mut bytes = header.encode().to_vec();
        bytes.extend_from_slice(&noise);
        assert_agreement(sealed(bytes), &limits())?;
    }
}

/// Compression by the libraries themselves.
fn compress(codec: Compression, section: &[u8]) -> Vec<u8> {
    use std::io::Write;
    match codec {
        Compression::None => section.to_vec(),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(section).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Snappy => snap::raw::Encoder::new().compress_vec(section).unwrap(),
        Compression::Lz4 => {
            let info = lz4_flex::frame::FrameInfo::new().content_checksum(true);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(section).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => zstd::stream::encode_all(section, 1).unwrap(),
    }
}
