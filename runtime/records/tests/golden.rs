//! Batches captured from real clients: read, validated, rebuilt. `golden/capture.py` made them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test support")]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;
use tidemill_records::{
    BatchBuilder, BatchFacts, Compression, Limits, RecordBatch, Records, batch_from_section,
    restamp_log_append_time, validate_produce,
};

const CLIENTS: [&str; 3] = ["confluent", "java", "kafka-python"];
/// All but confluent's are idempotent by default; the capturing broker hands out this id.
const PRODUCER_ID: i64 = 4000;
const NOW_MS: i64 = 1_700_086_400_000;

#[derive(Debug, PartialEq)]
struct Sent {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn content(text: &Value) -> Option<Vec<u8>> {
    let lines = |count| (0..count).map(|line| format!("line {line} of a compressible value\n")).collect();
    let text: Option<String> = text.as_u64().map(lines).or(text.as_str().map(str::to_owned));
    text.map(String::into_bytes)
}

fn sent(client: &str) -> Vec<Sent> {
    let json: Vec<Value> = serde_json::from_slice(&std::fs::read(golden("records.json")).unwrap()).unwrap();
    let headers = |record: &Value| -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let pairs = record["headers"].as_array().unwrap().iter();
        let pairs = pairs.map(|pair| (content(&pair[0]).unwrap(), content(&pair[1])));
        // kafka-python can't send null header values.
        pairs.filter(|(_, value)| value.is_some() || client != "kafka-python").collect()
    };
    let record = |record: &Value| Sent {
        timestamp: record["timestamp"].as_i64().unwrap(),
        key: content(&record["key"]),
        value: content(&record["value"]),
        headers: headers(record),
    };
    json.iter().map(record).collect()
}

fn read(batch: &RecordBatch) -> Vec<Sent> {
    let section = batch.uncompressed_records(1 << 20).unwrap();
    let records = Records::new(&section, batch.record_count()).map(Result::unwrap);
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let record = |record: tidemill_records::Record<'_>| Sent {
        timestamp: batch.timestamp_of(&record),
        key: owned(record.key),
        value: owned(record.value),
        headers: record.headers.iter().map(|(key, value)| (key.to_vec(), owned(value))).collect(),
    };
    records.map(record).collect()
}

fn for_each_batch(check: impl Fn(&str, Compression, RecordBatch)) {
    for client in CLIENTS {
        for codec in Compression::ALL {
            let bytes = std::fs::read(golden(&format!("{client}-{codec}.bin"))).unwrap();
            let batch = RecordBatch::parse(Bytes::from(bytes))
                .unwrap_or_else(|error| panic!("{client} {codec}: {error}"));
            check(client, codec, batch);
        }
    }
}

#[test]
fn real_batches_are_read_as_they_were_sent() {
    for_each_batch(|client, codec, batch| {
        assert_eq!(batch.compression(), codec, "{client}");
        assert_eq!(read(&batch), sent(client), "{client} {codec}");
        let expected_producer = if client == "confluent" { -1 } else { PRODUCER_ID };
        assert_eq!(batch.header().producer_id, expected_producer, "{client} {codec}");
        let is_framed_snappy = batch.records_section().starts_with(b"\x82SNAPPY\0");
        assert_eq!(is_framed_snappy, codec == Compression::Snappy && client != "confluent");
    });
}

#[test]
fn real_batches_are_valid_and_kept_as_they_are() {
    for_each_batch(|client, codec, batch| {
        let validated = validate_produce(&batch, &Limits::at(NOW_MS))
            .unwrap_or_else(|error| panic!("{client} {codec}: {error}"));
        assert_eq!(validated.batch, batch, "{client} {codec}");
        assert_eq!(validated.max_timestamp, NOW_MS);
        assert_eq!(validated.max_timestamp_offset_delta, 4);
        assert_eq!(validated.uncompressed_bytes, batch.uncompressed_records(1 << 20).unwrap().len());
    });
}

#[test]
fn our_encoding_is_the_clients_byte_for_byte() {
    for_each_batch(|client, codec, batch| {
        let section = batch.uncompressed_records(1 << 20).unwrap();
        let facts = BatchFacts::from(batch.header());
        let mut builder = BatchBuilder::new(facts);
        for record in Records::new(&section, batch.record_count()) {
            builder.push_record(&record.unwrap());
        }
        assert_eq!(builder.section(), &section, "{client} {codec}");
        let rebuilt = builder.build(Compression::None).unwrap();
        rebuilt.verify_crc().unwrap();
        if codec == Compression::None {
            assert_eq!(rebuilt, batch, "{client}");
        }
    });
}

#[test]
fn any_codec_can_take_over() {
    for_each_batch(|client, _, batch| {
        let section = batch.uncompressed_records(1 << 20).unwrap();
        for codec in Compression::ALL {
            let again = batch_from_section(&BatchFacts::from(batch.header()), &section, codec).unwrap();
            again.verify_crc().unwrap();
            assert_eq!(read(&again), sent(client));
        }
    });
}

#[test]
fn log_append_time_replaces_every_timestamp() {
    for_each_batch(|client, _, batch| {
        let stamped = restamp_log_append_time(&batch, 42);
        stamped.verify_crc().unwrap();
        assert_eq!(RecordBatch::parse(stamped.bytes().clone()).unwrap(), stamped);
        let expected = sent(client).into_iter().map(|record| Sent { timestamp: 42, ..record });
        assert_eq!(read(&stamped), expected.collect::<Vec<_>>());
    });
}
