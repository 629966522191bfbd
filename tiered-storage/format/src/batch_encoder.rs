//! Encoding records as a Kafka v2 batch, straight into the buffer that goes to the socket.

use bytes::Bytes;
use tidemill_records::{
    Attributes, BatchFacts, BatchHeader, Compression, HEADER_BYTES, RecordBatch, batch_from_section,
};

use crate::decode::Codec;
use crate::error::{Error, corrupt};
use crate::row_reader::Row;
use crate::side_stream::OddKey;
use crate::table::BatchEntry;
use crate::varint::put_signed;

/// Bytes of a batch before the part that its length field counts.
const LENGTH_PREFIX_BYTES: usize = 12;
/// Where the CRC is, and where the part that it covers begins.
const CRC_FIELD: std::ops::Range<usize> = 17..21;

/// A batch in the making: room for its header, then its record section.
pub(crate) struct BatchEncoder {
    out: Vec<u8>,
}

impl BatchEncoder {
    /// An empty section with room for so many bytes.
    pub(crate) fn with_capacity(section_bytes: usize) -> Self {
        let mut out = Vec::with_capacity(HEADER_BYTES + section_bytes);
        out.extend_from_slice(&[0; HEADER_BYTES]);
        BatchEncoder { out }
    }

    /// A section that is encoded already.
    pub(crate) fn around(section: &[u8]) -> Self {
        let mut encoder = BatchEncoder::with_capacity(section.len());
        encoder.out.extend_from_slice(section);
        encoder
    }

    /// Length of the section so far.
    pub(crate) fn section_bytes(&self) -> usize {
        self.out.len() - HEADER_BYTES
    }

    /// Appends a record; `odd` replaces header keys that the columns could not hold.
    #[inline]
    pub(crate) fn push(
        &mut self,
        offset_delta: i64,
        timestamp_delta: i64,
        row: &Row<'_>,
        odd: &[OddKey<'_>],
    ) {
        let out = &mut self.out;
        let (key, value) = (row.key(), row.value());
        let header_count = row.header_count();
        let headers = || {
            (0..header_count).map(move |index| {
                let (key, value) = row.header(index);
                let odd = odd.iter().find(|(_, header, _)| *header == index as u64);
                (odd.map_or(key, |(_, _, bytes)| *bytes), value)
            })
        };
        let header_bytes: usize =
            headers().map(|(key, value)| nullable_len(Some(key)) + nullable_len(value)).sum();
        let len = 1
            + varint_len(timestamp_delta)
            + varint_len(offset_delta)
            + nullable_len(key)
            + nullable_len(value)
            + varint_len(header_count as i64)
            + header_bytes;
        put_signed(out, len as i64);
        out.push(0);
        put_signed(out, timestamp_delta);
        put_signed(out, offset_delta);
        put_nullable(out, key);
        put_nullable(out, value);
        put_signed(out, header_count as i64);
        for (key, value) in headers() {
            put_nullable(out, Some(key));
            put_nullable(out, value);
        }
    }

    /// The batch with the header that its entry describes, its records compressed as asked.
    pub(crate) fn finish(self, entry: &BatchEntry, codec: Codec) -> Result<RecordBatch, Error> {
        let attributes = Attributes::from_bits(entry.attributes);
        let compression = match codec {
            Codec::AsProduced => attributes.compression()?,
            Codec::Fixed(compression) => compression,
        };
        let header = BatchHeader {
            base_offset: entry.base_offset,
            batch_length: i32::try_from(self.out.len() - LENGTH_PREFIX_BYTES)
                .map_err(|_| corrupt("a batch is larger than 2 GiB"))?,
            partition_leader_epoch: entry.leader_epoch,
            crc: 0,
            attributes: attributes.with_compression(compression),
            last_offset_delta: entry.last_offset_delta,
            base_timestamp: entry.base_timestamp,
            max_timestamp: entry.max_timestamp,
            producer_id: entry.producer_id,
            producer_epoch: entry.producer_epoch,
            base_sequence: entry.base_sequence,
            record_count: entry.record_count,
        };
        if compression == Compression::None {
            return self.uncompressed(&header);
        }
        let section = self.out.get(HEADER_BYTES..).unwrap_or_default();
        Ok(batch_from_section(&BatchFacts::from(&header), section, compression)?)
    }

    fn uncompressed(mut self, header: &BatchHeader) -> Result<RecordBatch, Error> {
        if let Some(room) = self.out.get_mut(..HEADER_BYTES) {
            room.copy_from_slice(&header.encode());
        }
        let crc = crc32c::crc32c(self.out.get(CRC_FIELD.end..).unwrap_or_default());
        if let Some(room) = self.out.get_mut(CRC_FIELD) {
            room.copy_from_slice(&crc.to_be_bytes());
        }
        Ok(RecordBatch::parse(Bytes::from(self.out))?)
    }
}

#[inline]
fn varint_len(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    (64 - (zigzag | 1).leading_zeros() as usize).div_ceil(7)
}

#[inline]
fn nullable_len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint_len(bytes.len() as i64) + bytes.len())
}

#[inline]
fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_signed(out, -1),
        Some(bytes) => {
            put_signed(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
    }
}
