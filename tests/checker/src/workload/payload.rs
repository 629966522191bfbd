//! What the workload's records look like, and how a value is found in one again.

use rand::RngExt;
use rand::rngs::StdRng;
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};

use crate::history::Record;

/// A value that no send has, for records that the workload cannot have made.
const STRANGE: u64 = u64::MAX;

/// The bytes of a record: its value, and something to fill log and archive with.
pub(super) fn payload(value: u64, random: &mut StdRng) -> Vec<u8> {
    let longest = if random.random_bool(0.1) { 2500 } else { 150 };
    let filler = "tide".repeat(random.random_range(0..longest));
    format!("{value} {filler}").into_bytes()
}

/// Some records have a key.
pub(super) fn key(value: u64) -> Option<Vec<u8>> {
    (!value.is_multiple_of(3)).then(|| value.to_be_bytes().to_vec())
}

/// Headers with one name twice, and one without a value.
pub(super) fn headers(value: u64) -> OwnedHeaders {
    let number = value.to_string();
    OwnedHeaders::new()
        .insert(Header { key: "n", value: Some(&number) })
        .insert(Header { key: "n", value: Some("") })
        .insert(Header { key: "none", value: None::<&str> })
}

/// A message as the history has it.
pub(super) fn record(message: &BorrowedMessage<'_>) -> Record {
    let value = message.payload().and_then(|payload| {
        let number = payload.split(|byte| *byte == b' ').next()?;
        std::str::from_utf8(number).ok()?.parse().ok()
    });
    Record { offset: message.offset(), value: value.unwrap_or(STRANGE), digest: digest(message) }
}

fn digest(message: &BorrowedMessage<'_>) -> u32 {
    let mut crc = crc32c::crc32c(&message.timestamp().to_millis().unwrap_or(-1).to_be_bytes());
    let mut add = |bytes: Option<&[u8]>| {
        // Lengths keep apart what would run together, and null from empty.
        let length = bytes.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap_or(i64::MAX));
        crc = crc32c::crc32c_append(crc, &length.to_be_bytes());
        crc = crc32c::crc32c_append(crc, bytes.unwrap_or_default());
    };
    add(message.key());
    add(message.payload());
    for header in message.headers().into_iter().flat_map(|headers| headers.iter()) {
        add(Some(header.key.as_bytes()));
        add(header.value);
    }
    crc
}
