//! One whole record batch in one shared buffer.

use bytes::{Bytes, BytesMut};

use crate::compression::{self, Compression};
use crate::error::Error;
use crate::header::{BatchHeader, CRC_START, HEADER_BYTES, TimestampType};
use crate::record::Record;

/// A Kafka v2 record batch as on the wire. Cheap to clone.
///
/// Its header has been parsed and the buffer has exactly the length the header says. That its
/// CRC matches and its records can be read is not known before [`RecordBatch::verify_crc`] and
/// [`crate::validate_produce`].
#[derive(Clone, Debug)]
pub struct RecordBatch {
    header: BatchHeader,
    compression: Compression,
    /// As it came. Base offset and leader epoch, which the CRC does not cover, may be others than the
    /// header's, which hold.
    raw: Bytes,
}

impl PartialEq for RecordBatch {
    fn eq(&self, other: &Self) -> bool {
        self.header == other.header && self.records_section() == other.records_section()
    }
}

impl Eq for RecordBatch {}

impl RecordBatch {
    /// Takes a buffer that holds exactly one batch.
    pub fn parse(bytes: Bytes) -> Result<RecordBatch, Error> {
        let mut rest = bytes;
        let batch = RecordBatch::split(&mut rest)?;
        match rest.len() {
            0 => Ok(batch),
            extra => Err(Error::BytesAfterBatch(extra)),
        }
    }

    /// Takes the first batch off a buffer, which is left as it was on an error.
    pub fn split(buffer: &mut Bytes) -> Result<RecordBatch, Error> {
        let header = BatchHeader::decode(buffer)?;
        let compression = header.attributes.compression()?;
        let needed = header.size_bytes();
        if buffer.len() < needed {
            return Err(Error::Truncated { needed, available: buffer.len() });
        }
        Ok(RecordBatch { header, compression, raw: buffer.split_to(needed) })
    }

    /// A batch of this header and this (maybe compressed) section; fills in length and CRC.
    pub(crate) fn assemble(mut header: BatchHeader, section: &[u8]) -> Result<RecordBatch, Error> {
        let compression = header.attributes.compression()?;
        let size = HEADER_BYTES.saturating_add(section.len());
        let too_large = Error::BatchTooLarge { size, limit: i32::MAX as usize };
        header.batch_length =
            i32::try_from(size - crate::header::LENGTH_PREFIX_BYTES).map_err(|_| too_large)?;
        let covered = header.encode();
        let (_, covered) = covered.split_at(CRC_START);
        header.crc = crc32c::crc32c_append(crc32c::crc32c(covered), section);
        let mut bytes = BytesMut::with_capacity(size);
        bytes.extend_from_slice(&header.encode());
        bytes.extend_from_slice(section);
        Ok(RecordBatch { header, compression, raw: bytes.freeze() })
    }

    /// The header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch: its own buffer, or a copy if base offset or leader epoch were patched. To
    /// send it without a copy, send its [`Self::pieces`].
    pub fn bytes(&self) -> Bytes {
        match self.pieces() {
            (None, whole) => whole,
            (Some(header), section) => [&header[..], &section[..]].concat().into(),
        }
    }

    /// The whole batch, given away.
    pub fn into_bytes(self) -> Bytes {
        self.bytes()
    }

    /// The batch as it is sent, in its own buffer: as a whole, or a patched header and what follows.
    pub fn pieces(&self) -> (Option<[u8; HEADER_BYTES]>, Bytes) {
        let header = self.header_bytes();
        if self.raw.starts_with(&header) {
            return (None, self.raw.clone());
        }
        (Some(header), self.raw.slice(HEADER_BYTES.min(self.raw.len())..))
    }

    /// The header as on the wire.
    pub fn header_bytes(&self) -> [u8; HEADER_BYTES] {
        self.header.encode()
    }

    /// Size of the whole batch.
    pub fn size_bytes(&self) -> usize {
        self.raw.len()
    }

    /// First offset.
    pub fn base_offset(&self) -> i64 {
        self.header.base_offset
    }

    /// Last offset.
    pub fn last_offset(&self) -> i64 {
        self.header.last_offset()
    }

    /// The offset after the last.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// How many records the header says there are.
    pub fn record_count(&self) -> i32 {
        self.header.record_count
    }

    /// How the records are compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// What the records' timestamps say.
    pub fn timestamp_type(&self) -> TimestampType {
        self.header.attributes.timestamp_type()
    }

    /// Whether the records are the broker's own, such as transaction markers.
    pub fn is_control(&self) -> bool {
        self.header.attributes.is_control()
    }

    /// Whether the batch is part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.header.attributes.is_transactional()
    }

    /// A record's offset.
    pub fn offset_of(&self, record: &Record<'_>) -> i64 {
        self.header.base_offset.saturating_add(i64::from(record.offset_delta))
    }

    /// A record's timestamp as a consumer sees it.
    pub fn timestamp_of(&self, record: &Record<'_>) -> i64 {
        self.header.timestamp(record.timestamp_delta)
    }

    /// Checks the CRC: one pass over the bytes.
    pub fn verify_crc(&self) -> Result<(), Error> {
        let computed = crc32c::crc32c(self.raw.get(CRC_START..).unwrap_or_default());
        if computed == self.header.crc {
            return Ok(());
        }
        Err(Error::CrcMismatch { stored: self.header.crc, computed })
    }

    /// The records as on the wire, compressed if the batch is.
    pub fn records_section(&self) -> &[u8] {
        self.raw.get(HEADER_BYTES..).unwrap_or_default()
    }

    /// The records, decompressed if need be, for [`crate::Records`].
    ///
    /// Without compression this shares the batch's buffer and `max_bytes` does not matter; a
    /// compressed section that grows beyond `max_bytes` is refused.
    pub fn uncompressed_records(&self, max_bytes: usize) -> Result<Bytes, Error> {
        if self.compression == Compression::None {
            return Ok(self.raw.slice(HEADER_BYTES..));
        }
        let mut section = Vec::new();
        compression::with_scratch(|scratch| {
            scratch.decompress_into(self.compression, self.records_section(), max_bytes, &mut section)
        })?;
        Ok(Bytes::from(section))
    }

    /// The batch with this base offset and leader epoch, which the CRC does not cover. Shares the
    /// records with this one.
    #[must_use]
    pub fn patched(&self, base_offset: i64, leader_epoch: i32) -> RecordBatch {
        RecordBatch { header: self.header_with(base_offset, leader_epoch), ..self.clone() }
    }

    fn header_with(&self, base_offset: i64, leader_epoch: i32) -> BatchHeader {
        BatchHeader { base_offset, partition_leader_epoch: leader_epoch, ..self.header }
    }

    /// The batch with other timestamps in its header; the CRC is computed anew.
    pub(crate) fn with_timestamps(&self, timestamp_type: TimestampType, max_timestamp: i64) -> RecordBatch {
        let mut header = self.header;
        header.attributes = header.attributes.with_timestamp_type(timestamp_type);
        header.max_timestamp = max_timestamp;
        // The length and the compression are those of a batch that has been parsed.
        RecordBatch::assemble(header, self.records_section()).unwrap_or_else(|_| self.clone())
    }
}

/// The batch as the broker appends it to a topic with LogAppendTime: all its records have the
/// timestamp `now_ms`. The CRC is computed anew.
pub fn restamp_log_append_time(batch: &RecordBatch, now_ms: i64) -> RecordBatch {
    batch.with_timestamps(TimestampType::LogAppendTime, now_ms)
}
