//! The 61 bytes in front of a batch's records.
//!
//! ```text
//! at  0 base_offset i64 | 8 batch_length i32 | 12 partition_leader_epoch i32 | 16 magic i8 | 17 crc u32
//! at 21 attributes i16 | 23 last_offset_delta i32 | 27 base_timestamp i64 | 35 max_timestamp i64
//! at 43 producer_id i64 | 51 producer_epoch i16 | 53 base_sequence i32 | 57 record_count i32 | 61 records
//! ```
//!
//! All big-endian. `batch_length` counts what follows it; the CRC-32C covers what follows it.

use bytes::{Buf, BufMut};

use crate::compression::Compression;
use crate::error::Error;

/// Size of a batch's header, everything before its records.
pub const HEADER_BYTES: usize = 61;
/// Bytes before the part that `batch_length` counts: base offset and the length itself.
pub(crate) const LENGTH_PREFIX_BYTES: usize = 12;
/// Where the bytes covered by the CRC begin.
pub(crate) const CRC_START: usize = 21;
/// The one message format accepted.
const MAGIC: i8 = 2;
/// The smallest record: seven one-byte fields.
const SMALLEST_RECORD_BYTES: usize = 7;

/// Producer id of a producer that is not idempotent.
pub const NO_PRODUCER_ID: i64 = -1;
/// Base sequence of a batch without a producer id.
pub const NO_SEQUENCE: i32 = -1;
/// Timestamp of a record that has none.
pub const NO_TIMESTAMP: i64 = -1;

/// What a record's timestamp says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// When the producer says the record was made.
    #[default]
    CreateTime,
    /// When the broker appended the batch: the batch's max timestamp, for each of its records.
    LogAppendTime,
}

/// A batch's attribute bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes(i16);

impl Attributes {
    const COMPRESSION_MASK: i16 = 0b111;
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;
    const ASSIGNED: i16 = 0b0111_1111;

    /// Attributes with these bits.
    pub fn from_bits(bits: i16) -> Attributes {
        Attributes(bits)
    }

    /// The bits as on the wire.
    pub fn bits(self) -> i16 {
        self.0
    }

    /// How the records are compressed.
    pub fn compression(self) -> Result<Compression, Error> {
        let id = self.0 & Self::COMPRESSION_MASK;
        Compression::from_id(id).ok_or(Error::UnsupportedCompression(id.to_le_bytes()[0]))
    }

    /// What the records' timestamps say.
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch is part of a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether the records are the broker's own, such as transaction markers.
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Whether the base timestamp is the time from which tombstones may be dropped (compaction).
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// Whether bits are set that have no meaning.
    pub fn has_unassigned_bits(self) -> bool {
        self.0 & !Self::ASSIGNED != 0
    }

    /// The same with this compression.
    #[must_use]
    pub fn with_compression(self, compression: Compression) -> Attributes {
        Attributes(self.0 & !Self::COMPRESSION_MASK | compression.id())
    }

    /// The same with this timestamp type.
    #[must_use]
    pub fn with_timestamp_type(self, timestamp_type: TimestampType) -> Attributes {
        self.with(Self::LOG_APPEND_TIME, timestamp_type == TimestampType::LogAppendTime)
    }

    /// The same, part of a transaction or not.
    #[must_use]
    pub fn with_transactional(self, on: bool) -> Attributes {
        self.with(Self::TRANSACTIONAL, on)
    }

    /// The same, a control batch or not.
    #[must_use]
    pub fn with_control(self, on: bool) -> Attributes {
        self.with(Self::CONTROL, on)
    }

    /// The same, with the base timestamp as delete horizon or not.
    #[must_use]
    pub fn with_delete_horizon(self, on: bool) -> Attributes {
        self.with(Self::DELETE_HORIZON, on)
    }

    fn with(self, bit: i16, on: bool) -> Attributes {
        Attributes(if on { self.0 | bit } else { self.0 & !bit })
    }
}

/// A batch's header, field by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset that the records' offset deltas are added to.
    pub base_offset: i64,
    /// Bytes of the batch after this field.
    pub batch_length: i32,
    /// Epoch of the leader that appended the batch; -1 from a client.
    pub partition_leader_epoch: i32,
    /// CRC-32C of everything after this field.
    pub crc: u32,
    /// Compression, timestamp type and flags.
    pub attributes: Attributes,
    /// Last offset of the batch, counted from its base offset.
    pub last_offset_delta: i32,
    /// Timestamp that the records' timestamp deltas are added to.
    pub base_timestamp: i64,
    /// Largest timestamp of the batch.
    pub max_timestamp: i64,
    /// The idempotent producer, or -1.
    pub producer_id: i64,
    /// The producer's epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// How many records follow.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads and checks the header at the start of `bytes`; the records need not be there.
    ///
    /// Afterwards the compression is known, the length covers at least the header, counts are not
    /// negative, and offsets don't overflow.
    pub fn decode(bytes: &[u8]) -> Result<BatchHeader, Error> {
        let Some(mut fields) = bytes.get(..HEADER_BYTES) else {
            return Err(Self::too_short(bytes));
        };
        let base_offset = fields.get_i64();
        let batch_length = fields.get_i32();
        let partition_leader_epoch = fields.get_i32();
        check_magic(fields.get_i8())?;
        let header = BatchHeader {
            base_offset,
            batch_length,
            partition_leader_epoch,
            crc: fields.get_u32(),
            attributes: Attributes(fields.get_i16()),
            last_offset_delta: fields.get_i32(),
            base_timestamp: fields.get_i64(),
            max_timestamp: fields.get_i64(),
            producer_id: fields.get_i64(),
            producer_epoch: fields.get_i16(),
            base_sequence: fields.get_i32(),
            record_count: fields.get_i32(),
        };
        header.check()?;
        Ok(header)
    }

    /// The header as on the wire.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut out = bytes.as_mut_slice();
        out.put_i64(self.base_offset);
        out.put_i32(self.batch_length);
        out.put_i32(self.partition_leader_epoch);
        out.put_i8(MAGIC);
        out.put_u32(self.crc);
        out.put_i16(self.attributes.0);
        out.put_i32(self.last_offset_delta);
        out.put_i64(self.base_timestamp);
        out.put_i64(self.max_timestamp);
        out.put_i64(self.producer_id);
        out.put_i16(self.producer_epoch);
        out.put_i32(self.base_sequence);
        out.put_i32(self.record_count);
        bytes
    }

    /// Size of the whole batch.
    pub fn size_bytes(&self) -> usize {
        usize::try_from(self.batch_length).unwrap_or(0).saturating_add(LENGTH_PREFIX_BYTES)
    }

    /// Last offset of the batch.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// Whether an idempotent producer wrote it.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// Sequence number of the last record. Sequence numbers wrap from `i32::MAX` to 0.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return NO_SEQUENCE;
        }
        self.base_sequence.wrapping_add(self.last_offset_delta) & i32::MAX
    }

    /// The timestamp of a record with this delta.
    pub fn timestamp(&self, timestamp_delta: i64) -> i64 {
        match self.attributes.timestamp_type() {
            TimestampType::CreateTime => self.base_timestamp.saturating_add(timestamp_delta),
            TimestampType::LogAppendTime => self.max_timestamp,
        }
    }

    fn too_short(bytes: &[u8]) -> Error {
        // An old message set may be shorter than our header: better to name its magic.
        match bytes.get(16).map(|magic| check_magic(i8::from_be_bytes([*magic]))) {
            Some(Err(error)) => error,
            _ => Error::Truncated { needed: HEADER_BYTES, available: bytes.len() },
        }
    }

    fn check(&self) -> Result<(), Error> {
        let compression = self.attributes.compression()?;
        let size = self.size_bytes();
        if size < HEADER_BYTES {
            return Err(Error::BadLength(self.batch_length));
        }
        if self.base_offset < 0 {
            return Err(Error::InvalidHeader(format!("base offset {} is negative", self.base_offset)));
        }
        if self.last_offset_delta < 0 || self.base_offset > i64::MAX - i64::from(self.last_offset_delta) - 1 {
            return Err(Error::InvalidHeader(format!(
                "offsets {} + {} are no range",
                self.base_offset, self.last_offset_delta
            )));
        }
        let Ok(count) = usize::try_from(self.record_count) else {
            return Err(Error::InvalidHeader(format!("record count {} is negative", self.record_count)));
        };
        let most = (size - HEADER_BYTES) / SMALLEST_RECORD_BYTES;
        if compression == Compression::None && count > most {
            return Err(Error::InvalidHeader(format!("{count} records can't be in a batch of {size} bytes")));
        }
        Ok(())
    }
}

fn check_magic(magic: i8) -> Result<(), Error> {
    match magic {
        MAGIC => Ok(()),
        0 | 1 => Err(Error::OldMagic(magic)),
        _ => Err(Error::UnknownMagic(magic)),
    }
}
