//! Checking a producer's batch before it is appended, as deep as Kafka's `LogValidator`.
//!
//! One pass of CRC over the bytes and one over the framing of the records; nothing is allocated
//! per record, and a compressed section goes into a buffer that the thread keeps.
//!
//! Stricter than Kafka, which takes or mends what no known client sends: offset deltas must be
//! consecutive, unassigned attribute bits, delete horizons and LogAppendTime are refused, a
//! transaction needs a producer id. Like Kafka, a wrong max timestamp is corrected, not refused.

use crate::batch::RecordBatch;
use crate::compression::{self, Compression, Scratch};
use crate::error::{Error, RecordFault};
use crate::header::{BatchHeader, NO_PRODUCER_ID, NO_TIMESTAMP, TimestampType};
use crate::record::Records;

/// Default for [`Limits::max_uncompressed_bytes`].
pub const DEFAULT_MAX_UNCOMPRESSED_BYTES: usize = 64 * 1024 * 1024;

/// What a topic allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `max.message.bytes`: size of a batch as sent.
    pub max_batch_bytes: usize,
    /// Size of a batch's records after decompression.
    pub max_uncompressed_bytes: usize,
    /// The wall clock.
    pub now_ms: i64,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far before now a CreateTime may be.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far after now a CreateTime may be.
    pub timestamp_after_max_ms: i64,
    /// The topic is compacted: every record needs a key.
    pub requires_key: bool,
}

impl Limits {
    /// Kafka's defaults at this time.
    pub fn at(now_ms: i64) -> Limits {
        Limits {
            max_batch_bytes: 1_048_588,
            max_uncompressed_bytes: DEFAULT_MAX_UNCOMPRESSED_BYTES,
            now_ms,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            requires_key: false,
        }
    }
}

/// A batch that may be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validated {
    /// What to append: the same buffer, unless the header's max timestamp had to be corrected.
    pub batch: RecordBatch,
    /// Largest CreateTime of its records, or -1.
    pub max_timestamp: i64,
    /// Offset delta of the first record with that timestamp.
    pub max_timestamp_offset_delta: i32,
    /// Size of the records after decompression.
    pub uncompressed_bytes: usize,
}

/// Checks a batch from a producer.
pub fn validate_produce(batch: &RecordBatch, limits: &Limits) -> Result<Validated, Error> {
    compression::with_scratch(|scratch| validate_produce_with(batch, limits, scratch))
}

/// [`validate_produce`] with the caller's own buffers.
pub fn validate_produce_with(
    batch: &RecordBatch,
    limits: &Limits,
    scratch: &mut Scratch,
) -> Result<Validated, Error> {
    check_envelope(batch, limits)?;
    batch.verify_crc()?;
    check_header(batch.header())?;
    let section = match batch.compression() {
        Compression::None => batch.records_section(),
        codec => scratch.decompress(codec, batch.records_section(), limits.max_uncompressed_bytes)?,
    };
    let latest = check_records(batch.header(), section, limits)?;
    let keeps_header = limits.timestamp_type == TimestampType::LogAppendTime
        || batch.header().max_timestamp == latest.timestamp;
    Ok(Validated {
        batch: match keeps_header {
            true => batch.clone(),
            false => batch.with_timestamps(TimestampType::CreateTime, latest.timestamp),
        },
        max_timestamp: latest.timestamp,
        max_timestamp_offset_delta: latest.offset_delta,
        uncompressed_bytes: section.len(),
    })
}

fn check_envelope(batch: &RecordBatch, limits: &Limits) -> Result<(), Error> {
    if batch.base_offset() != 0 {
        let reason = format!("base offset must be 0, but is {}", batch.base_offset());
        return Err(Error::InvalidHeader(reason));
    }
    if batch.size_bytes() > limits.max_batch_bytes {
        return Err(Error::BatchTooLarge { size: batch.size_bytes(), limit: limits.max_batch_bytes });
    }
    Ok(())
}

fn check_header(header: &BatchHeader) -> Result<(), Error> {
    let refuse = |reason: String| Err(Error::InvalidHeader(reason));
    let attributes = header.attributes;
    if header.record_count == 0 {
        return refuse("it has no records".to_owned());
    }
    if header.record_count - 1 != header.last_offset_delta {
        return refuse(format!(
            "{} records don't fit a last offset delta of {}",
            header.record_count, header.last_offset_delta
        ));
    }
    if attributes.is_control() {
        return refuse("clients are not allowed to write control records".to_owned());
    }
    if attributes.has_delete_horizon() || attributes.has_unassigned_bits() {
        return refuse(format!("attributes {:#06x} are not for producers", attributes.bits()));
    }
    if attributes.timestamp_type() == TimestampType::LogAppendTime {
        return Err(Error::TimestampTypeFromProducer);
    }
    check_producer(header)
}

fn check_producer(header: &BatchHeader) -> Result<(), Error> {
    let refuse = |reason: String| Err(Error::InvalidHeader(reason));
    if header.producer_id < NO_PRODUCER_ID {
        return refuse(format!("producer id {} is negative", header.producer_id));
    }
    if !header.has_producer_id() {
        return match header.attributes.is_transactional() {
            true => refuse("a transactional batch needs a producer id".to_owned()),
            false => Ok(()),
        };
    }
    if header.base_sequence < 0 {
        return refuse(format!(
            "sequence number {} of producer {} is negative",
            header.base_sequence, header.producer_id
        ));
    }
    if header.producer_epoch < 0 {
        return refuse(format!(
            "epoch {} of producer {} is negative",
            header.producer_epoch, header.producer_id
        ));
    }
    Ok(())
}

/// The record with the largest timestamp.
struct Latest {
    timestamp: i64,
    offset_delta: i32,
}

/// Range of timestamps a topic takes.
struct TimestampRange {
    earliest: i64,
    latest: i64,
}

impl TimestampRange {
    fn of(limits: &Limits) -> TimestampRange {
        match limits.timestamp_type {
            TimestampType::LogAppendTime => TimestampRange { earliest: i64::MIN, latest: i64::MAX },
            TimestampType::CreateTime => TimestampRange {
                earliest: limits.now_ms.saturating_sub(limits.timestamp_before_max_ms),
                latest: limits.now_ms.saturating_add(limits.timestamp_after_max_ms),
            },
        }
    }
}

fn check_records(header: &BatchHeader, section: &[u8], limits: &Limits) -> Result<Latest, Error> {
    let range = TimestampRange::of(limits);
    let mut latest = Latest { timestamp: NO_TIMESTAMP, offset_delta: 0 };
    for (index, record) in (0i32..).zip(Records::new(section, header.record_count)) {
        let record = record?;
        let fault = |fault| Err(Error::InvalidRecord { index, fault });
        if record.offset_delta != index {
            return fault(RecordFault::OffsetDelta { expected: index, found: record.offset_delta });
        }
        if limits.requires_key && record.key.is_none() {
            return fault(RecordFault::MissingKey);
        }
        let Some(timestamp) = header.base_timestamp.checked_add(record.timestamp_delta) else {
            return fault(RecordFault::TimestampOverflow);
        };
        if timestamp != NO_TIMESTAMP && !(range.earliest..=range.latest).contains(&timestamp) {
            let TimestampRange { earliest, latest } = range;
            return Err(Error::TimestampOutOfRange { index, timestamp, earliest, latest });
        }
        if timestamp > latest.timestamp {
            latest = Latest { timestamp, offset_delta: index };
        }
    }
    Ok(latest)
}
