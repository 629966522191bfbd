//! Making batches: record by record, or around a section that is already encoded.

use crate::batch::RecordBatch;
use crate::compression::{self, Compression};
use crate::error::Error;
use crate::header::{
    Attributes, BatchHeader, HEADER_BYTES, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TimestampType,
};
use crate::record::{Header, Record};
use crate::section::summarize_section;
use crate::varint;

/// What a batch's header says beyond what its records and their compression do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchFacts {
    /// Offset that offset deltas are added to.
    pub base_offset: i64,
    /// Epoch of the leader; -1 when not known yet.
    pub partition_leader_epoch: i32,
    /// Timestamp that timestamp deltas are added to.
    pub base_timestamp: i64,
    /// What timestamps mean. With LogAppendTime `max_timestamp` is every record's timestamp.
    pub timestamp_type: TimestampType,
    /// The batch's max timestamp; found from the records if `None`.
    pub max_timestamp: Option<i64>,
    /// The last offset, counted from the base; that of the last record if `None`. Larger where
    /// records at the end are gone.
    pub last_offset_delta: Option<i32>,
    /// The idempotent producer, or -1.
    pub producer_id: i64,
    /// The producer's epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Part of a transaction.
    pub is_transactional: bool,
    /// The broker's own records.
    pub is_control: bool,
    /// The base timestamp is a delete horizon.
    pub has_delete_horizon: bool,
}

impl Default for BatchFacts {
    fn default() -> BatchFacts {
        BatchFacts {
            base_offset: 0,
            partition_leader_epoch: -1,
            base_timestamp: 0,
            timestamp_type: TimestampType::CreateTime,
            max_timestamp: None,
            last_offset_delta: None,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: -1,
            base_sequence: NO_SEQUENCE,
            is_transactional: false,
            is_control: false,
            has_delete_horizon: false,
        }
    }
}

impl From<&BatchHeader> for BatchFacts {
    /// Everything needed to make the same batch again, in whatever compression.
    fn from(header: &BatchHeader) -> BatchFacts {
        BatchFacts {
            base_offset: header.base_offset,
            partition_leader_epoch: header.partition_leader_epoch,
            base_timestamp: header.base_timestamp,
            timestamp_type: header.attributes.timestamp_type(),
            max_timestamp: Some(header.max_timestamp),
            last_offset_delta: Some(header.last_offset_delta),
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            is_transactional: header.attributes.is_transactional(),
            is_control: header.attributes.is_control(),
            has_delete_horizon: header.attributes.has_delete_horizon(),
        }
    }
}

/// Encodes records one by one, then makes a batch of them.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    facts: BatchFacts,
    section: Vec<u8>,
    record_count: i32,
}

impl BatchBuilder {
    /// A builder without records.
    pub fn new(facts: BatchFacts) -> BatchBuilder {
        BatchBuilder { facts, section: Vec::new(), record_count: 0 }
    }

    /// Appends a record. Offset deltas have to increase.
    pub fn push(
        &mut self,
        offset_delta: i32,
        timestamp_delta: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> &mut BatchBuilder {
        self.push_parts(offset_delta, timestamp_delta, key, value, headers.iter().copied())
    }

    /// Appends a record read elsewhere.
    pub fn push_record(&mut self, record: &Record<'_>) -> &mut BatchBuilder {
        let Record { offset_delta, timestamp_delta, key, value, headers } = *record;
        self.push_parts(offset_delta, timestamp_delta, key, value, headers.iter())
    }

    /// Appends a record whose headers come from an iterator.
    pub fn push_parts<'h>(
        &mut self,
        offset_delta: i32,
        timestamp_delta: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = Header<'h>> + Clone,
    ) -> &mut BatchBuilder {
        let header_count = headers.clone().count() as i64;
        let header_bytes: usize =
            headers.clone().map(|(key, value)| nullable_size(Some(key)) + nullable_size(value)).sum();
        let body_bytes = 1
            + varint::size(timestamp_delta)
            + varint::size(i64::from(offset_delta))
            + nullable_size(key)
            + nullable_size(value)
            + varint::size(header_count)
            + header_bytes;
        let out = &mut self.section;
        out.reserve(body_bytes + varint::size(body_bytes as i64));
        varint::put(out, body_bytes as i64);
        out.push(0);
        varint::put(out, timestamp_delta);
        varint::put(out, i64::from(offset_delta));
        put_nullable(out, key);
        put_nullable(out, value);
        varint::put(out, header_count);
        for (key, value) in headers {
            put_nullable(out, Some(key));
            put_nullable(out, value);
        }
        self.record_count = self.record_count.saturating_add(1);
        self
    }

    /// How many records there are.
    pub fn record_count(&self) -> i32 {
        self.record_count
    }

    /// Bytes of the encoded records so far.
    pub fn section_bytes(&self) -> usize {
        self.section.len()
    }

    /// The encoded records so far.
    pub fn section(&self) -> &[u8] {
        &self.section
    }

    /// The batch. Fails if offset deltas don't increase, or if it is too large for a batch.
    pub fn build(&self, compression: Compression) -> Result<RecordBatch, Error> {
        batch_from_section(&self.facts, &self.section, compression)
    }
}

fn nullable_size(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint::size(bytes.len() as i64) + bytes.len())
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => varint::put(out, -1),
        Some(bytes) => {
            varint::put(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
    }
}

/// A batch around an uncompressed, already encoded record section, such as a function returns.
///
/// The section is read through once: it may come from anywhere. A batch that need not have
/// consecutive offsets (an archived one) is fine; [`crate::summarize_section`] tells whether it has.
pub fn batch_from_section(
    facts: &BatchFacts,
    section: &[u8],
    compression: Compression,
) -> Result<RecordBatch, Error> {
    batch_from_section_at(facts, section, compression, None)
}

/// The same at a level of the codec, for those that have levels (gzip, zstd).
pub fn batch_from_section_at(
    facts: &BatchFacts,
    section: &[u8],
    compression: Compression,
    level: Option<i32>,
) -> Result<RecordBatch, Error> {
    if section.len() > i32::MAX as usize - HEADER_BYTES {
        return Err(Error::BatchTooLarge { size: section.len(), limit: i32::MAX as usize - HEADER_BYTES });
    }
    let summary = summarize_section(section)?;
    let last_offset_delta = facts.last_offset_delta.unwrap_or(summary.last_offset_delta.max(0));
    if last_offset_delta < summary.last_offset_delta.max(0) {
        return Err(Error::InvalidHeader(format!(
            "last offset delta {last_offset_delta} is before that of the last record, {}",
            summary.last_offset_delta
        )));
    }
    let max_timestamp = match (facts.max_timestamp, summary.record_count) {
        (Some(given), _) => given,
        (None, 0) => NO_TIMESTAMP,
        (None, _) => facts.base_timestamp.saturating_add(summary.max_timestamp_delta),
    };
    let header = BatchHeader {
        base_offset: facts.base_offset,
        batch_length: 0,
        partition_leader_epoch: facts.partition_leader_epoch,
        crc: 0,
        attributes: facts.attributes().with_compression(compression),
        last_offset_delta,
        base_timestamp: facts.base_timestamp,
        max_timestamp,
        producer_id: facts.producer_id,
        producer_epoch: facts.producer_epoch,
        base_sequence: facts.base_sequence,
        record_count: summary.record_count,
    };
    if compression == Compression::None {
        return RecordBatch::assemble(header, section);
    }
    let compressed = compression::compress(compression, level, section)?;
    RecordBatch::assemble(header, &compressed)
}

impl BatchFacts {
    fn attributes(&self) -> Attributes {
        Attributes::default()
            .with_timestamp_type(self.timestamp_type)
            .with_transactional(self.is_transactional)
            .with_control(self.is_control)
            .with_delete_horizon(self.has_delete_horizon)
    }
}
