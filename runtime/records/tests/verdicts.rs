//! One batch per rule, judged by Kafka 4.3.1's own validator and by ours.
//!
//! `golden/verdicts.tsv` holds what Kafka said; `golden/Verdicts.java` tells how to make it again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test support")]

mod cases;

use std::collections::BTreeMap;

use bytes::Bytes;
use cases::{Case, NOW_MS, all};
use tidemill_records::{Error, ErrorKind, Limits, RecordBatch, validate_produce};

/// What Kafka takes (or mends) and we refuse: no known client sends it, and a consumer could stumble
/// over it or the archive would lose it. Each stands for its gzip twin as well.
const STRICTER: [(&str, &str); 18] = [
    ("length too short by 1", "INVALID_RECORD"), // Kafka: CRC first, so CORRUPT_MESSAGE
    ("log append time", "INVALID_TIMESTAMP"),
    ("transactional without producer", "INVALID_RECORD"),
    ("delete horizon", "INVALID_RECORD"),
    ("unassigned bit 7", "INVALID_RECORD"),
    ("unassigned bit 15", "INVALID_RECORD"),
    ("producer without epoch", "INVALID_RECORD"),
    ("producer -2", "INVALID_RECORD"),
    // Kafka does not use the length of a record that is compressed.
    ("record length one more", "INVALID_RECORD"),
    ("record length one less", "INVALID_RECORD"),
    ("record length negative", "INVALID_RECORD"),
    ("record length huge", "INVALID_RECORD"),
    // Kafka drops the bits.
    ("record length beyond 32 bits", "INVALID_RECORD"),
    // Kafka takes any negative length for null.
    ("record key length -2", "INVALID_RECORD"),
    ("record value length -2", "INVALID_RECORD"),
    ("record header value length -2", "INVALID_RECORD"),
    // Stored as it is when not compressed; mended, or not, when compressed.
    ("record offset delta 1", "INVALID_RECORD"),
    ("record offset delta -1", "INVALID_RECORD"),
];
/// The same for what is wrong with a compressed stream.
const STRICTER_STREAMS: [&str; 6] = [
    "gzip stream a byte after it",
    "gzip stream bytes after it",
    "snappy stream a byte after it",
    "lz4 stream a byte after it",
    "lz4 stream bytes after it",
    "snappy version 0",
];
/// What Kafka says where it has no better error; any refusal of ours is better.
const NO_VERDICT: &str = "UNKNOWN_SERVER_ERROR";

fn name_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::CorruptMessage => "CORRUPT_MESSAGE",
        ErrorKind::MessageTooLarge => "MESSAGE_TOO_LARGE",
        ErrorKind::InvalidTimestamp => "INVALID_TIMESTAMP",
        ErrorKind::UnsupportedCompressionType => "UNSUPPORTED_COMPRESSION_TYPE",
        ErrorKind::InvalidRecord => "INVALID_RECORD",
        _ => "UNKNOWN",
    }
}

/// Our verdict in the form of the file: an error's name, or the max timestamp that is appended.
fn verdict(case: &Case) -> (String, Option<Error>) {
    let limits = Limits {
        timestamp_before_max_ms: 86_400_000,
        timestamp_after_max_ms: 3_600_000,
        requires_key: case.name.starts_with("compacted"),
        ..Limits::at(NOW_MS)
    };
    let judged = RecordBatch::parse(Bytes::from(case.bytes.clone()))
        .and_then(|batch| validate_produce(&batch, &limits))
        .inspect(|validated| validated.batch.verify_crc().unwrap());
    match judged {
        Ok(validated) => (format!("OK {}", validated.batch.header().max_timestamp), None),
        Err(error) => (name_of(error.kind()).to_owned(), Some(error)),
    }
}

/// What we should say, given what Kafka says.
fn expected<'a>(name: &str, kafkas: &'a str, ours: &'a str) -> &'a str {
    let plain = name.strip_suffix(", gzip").unwrap_or(name);
    match STRICTER.iter().find(|(stricter, _)| *stricter == plain) {
        Some((_, refusal)) => refusal,
        None if STRICTER_STREAMS.contains(&name) => "INVALID_RECORD",
        None if name.starts_with("compression ") => "UNSUPPORTED_COMPRESSION_TYPE",
        None if kafkas == NO_VERDICT && !ours.starts_with("OK") => ours,
        None => kafkas,
    }
}

#[test]
fn our_verdicts_are_kafkas() {
    let file = include_str!("golden/verdicts.tsv");
    let kafkas: BTreeMap<&str, &str> = file.lines().filter_map(|line| line.split_once('\t')).collect();
    let cases = all();
    assert_eq!(kafkas.len(), cases.len(), "verdicts.tsv is not of these cases: make it again");
    let mut wrong = Vec::new();
    for case in &cases {
        let kafkas = kafkas[case.name.as_str()];
        let (ours, error) = verdict(case);
        if ours != expected(&case.name, kafkas, &ours) {
            wrong.push(format!("{}: ours {ours} ({error:?}), Kafka's {kafkas}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
