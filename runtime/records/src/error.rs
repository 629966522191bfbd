//! What can be wrong with a batch, and which of Kafka's errors that is.

use crate::compression::Compression;

/// Why a record batch was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Fewer bytes than the batch needs.
    #[error("record batch is cut short: {needed} bytes needed, {available} there")]
    Truncated {
        /// Bytes needed.
        needed: usize,
        /// Bytes there.
        available: usize,
    },
    /// The length field can't be that of a batch.
    #[error("record batch has an impossible length field: {0}")]
    BadLength(i32),
    /// Bytes after the end of the batch.
    #[error("{0} bytes follow the record batch")]
    BytesAfterBatch(usize),
    /// Not a magic that was ever assigned.
    #[error("record batch has an unknown magic: {0}")]
    UnknownMagic(i8),
    /// Message format 0 or 1.
    #[error("message format {0} is not accepted: record batches must have magic 2")]
    OldMagic(i8),
    /// The checksum does not match.
    #[error("record batch is corrupt: stored CRC {stored:#010x}, computed {computed:#010x}")]
    CrcMismatch {
        /// As in the header.
        stored: u32,
        /// As the bytes are.
        computed: u32,
    },
    /// A compression type that was never assigned.
    #[error("compression type {0} is unknown")]
    UnsupportedCompression(u8),
    /// The compressed section can't be decompressed.
    #[error("{codec} section can't be decompressed: {reason}")]
    Decompress {
        /// The codec.
        codec: Compression,
        /// What the decoder said.
        reason: String,
    },
    /// The compressed section grows beyond the limit.
    #[error("{codec} section of {compressed} bytes decompresses to more than {limit} bytes")]
    DecompressedTooLarge {
        /// The codec.
        codec: Compression,
        /// Bytes of the section.
        compressed: usize,
        /// The limit.
        limit: usize,
    },
    /// Compression failed.
    #[error("{codec} compression failed: {reason}")]
    Compress {
        /// The codec.
        codec: Compression,
        /// What the encoder said.
        reason: String,
    },
    /// Larger than `message.max.bytes`, or than a batch can be.
    #[error("record batch of {size} bytes is larger than the limit of {limit} bytes")]
    BatchTooLarge {
        /// Bytes of the batch.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The header's fields contradict each other or a rule.
    #[error("invalid record batch header: {0}")]
    InvalidHeader(String),
    /// A record that can't be.
    #[error("invalid record {index} of the batch: {fault}")]
    InvalidRecord {
        /// Position of the record in the batch, from 0.
        index: i32,
        /// What is wrong.
        fault: RecordFault,
    },
    /// Bytes left over after the last record.
    #[error("{0} bytes follow the last record of the batch")]
    TrailingBytes(usize),
    /// A record's timestamp is outside what the topic allows.
    #[error("timestamp {timestamp} of record {index} is out of range: allowed are {earliest} to {latest}")]
    TimestampOutOfRange {
        /// Position of the record in the batch, from 0.
        index: i32,
        /// The record's timestamp.
        timestamp: i64,
        /// First allowed.
        earliest: i64,
        /// Last allowed.
        latest: i64,
    },
    /// Only the broker stamps LogAppendTime.
    #[error("producers must not set the timestamp type to LogAppendTime")]
    TimestampTypeFromProducer,
}

/// What is wrong with one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordFault {
    /// The section ends inside the record.
    #[error("the section ends inside it")]
    Truncated,
    /// A variable-length integer of too many bytes or with bits beyond its type.
    #[error("a variable-length integer is longer than its type")]
    VarintTooLong,
    /// A length below -1, or a negative one where null is not allowed.
    #[error("a length is negative: {0}")]
    NegativeLength(i32),
    /// A field reaches beyond the record's declared size.
    #[error("a field reaches beyond the record's declared size")]
    FieldBeyondRecord,
    /// The fields end before the record does.
    #[error("{0} bytes of its declared size are not used")]
    UnusedBytes(usize),
    /// More headers than fit in the bytes that are left.
    #[error("the header count {0} is impossible")]
    HeaderCount(i32),
    /// Base timestamp plus delta is no timestamp.
    #[error("its timestamp overflows")]
    TimestampOverflow,
    /// Offset deltas must be 0, 1, 2, ….
    #[error("its offset delta is {found}, expected was {expected}")]
    OffsetDelta {
        /// What it has to be.
        expected: i32,
        /// What it is.
        found: i32,
    },
    /// A compacted topic needs keys.
    #[error("a compacted topic needs a key in every record")]
    MissingKey,
    /// More records than a batch can count.
    #[error("there are too many records")]
    TooMany,
}

/// Kafka's name for an error, which decides what a client does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// `CORRUPT_MESSAGE` (2): the bytes were damaged on the way; clients send again.
    CorruptMessage,
    /// `MESSAGE_TOO_LARGE` (10): clients split the batch.
    MessageTooLarge,
    /// `INVALID_TIMESTAMP` (32).
    InvalidTimestamp,
    /// `UNSUPPORTED_COMPRESSION_TYPE` (76).
    UnsupportedCompressionType,
    /// `INVALID_RECORD` (87): the client made a batch that breaks the rules; it gives up.
    InvalidRecord,
}

impl ErrorKind {
    /// The protocol's error code.
    pub fn code(self) -> i16 {
        match self {
            ErrorKind::CorruptMessage => 2,
            ErrorKind::MessageTooLarge => 10,
            ErrorKind::InvalidTimestamp => 32,
            ErrorKind::UnsupportedCompressionType => 76,
            ErrorKind::InvalidRecord => 87,
        }
    }
}

impl Error {
    /// Which of Kafka's errors this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            // Nothing at all was not damaged on the way.
            Error::Truncated { available: 0, .. } => ErrorKind::InvalidRecord,
            Error::Truncated { .. }
            | Error::BadLength(_)
            | Error::UnknownMagic(_)
            | Error::CrcMismatch { .. } => ErrorKind::CorruptMessage,
            Error::UnsupportedCompression(_) => ErrorKind::UnsupportedCompressionType,
            Error::DecompressedTooLarge { .. } | Error::BatchTooLarge { .. } => ErrorKind::MessageTooLarge,
            Error::TimestampOutOfRange { .. } | Error::TimestampTypeFromProducer => {
                ErrorKind::InvalidTimestamp
            }
            Error::BytesAfterBatch(_)
            | Error::OldMagic(_)
            | Error::Decompress { .. }
            | Error::Compress { .. }
            | Error::InvalidHeader(_)
            | Error::InvalidRecord { .. }
            | Error::TrailingBytes(_) => ErrorKind::InvalidRecord,
        }
    }

    /// The record at fault, as a position in its batch, for a produce response's record errors.
    pub fn record_index(&self) -> Option<i32> {
        match self {
            Error::InvalidRecord { index, .. } | Error::TimestampOutOfRange { index, .. } => Some(*index),
            _ => None,
        }
    }
}
