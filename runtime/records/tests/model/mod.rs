//! The simple model that the codec is compared with: owned records, and a validator that does one
//! obvious thing after the other with whole-library decompression.

use std::io::Read;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tidemill_records::{BatchBuilder, BatchFacts, Compression, Limits, Record};

pub type Bytes = Vec<u8>;

#[derive(Clone, Debug, PartialEq)]
pub struct ModelRecord {
    pub timestamp_delta: i64,
    pub offset_delta: i32,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

impl From<Record<'_>> for ModelRecord {
    fn from(record: Record<'_>) -> ModelRecord {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        ModelRecord {
            timestamp_delta: record.timestamp_delta,
            offset_delta: record.offset_delta,
            key: owned(record.key),
            value: owned(record.value),
            headers: record.headers.iter().map(|(key, value)| (key.to_vec(), owned(value))).collect(),
        }
    }
}

/// Bytes of every size class, some of them compressible.
fn blob() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..40),
        1 => (any::<u8>(), 0usize..40_000).prop_map(|(byte, length)| vec![byte; length]),
        1 => vec(any::<u8>(), 0..3000),
    ]
}

pub fn records() -> impl Strategy<Value = Vec<ModelRecord>> {
    let headers = vec((vec(any::<u8>(), 0..12), option::of(vec(any::<u8>(), 0..12))), 0..4);
    let record = (-1_000_000i64..1_000_000, option::of(blob()), option::of(blob()), headers);
    vec(record, 1..20).prop_map(|records| {
        let numbered = (0..).zip(records);
        numbered
            .map(|(offset_delta, (timestamp_delta, key, value, headers))| ModelRecord {
                timestamp_delta,
                offset_delta,
                key,
                value,
                headers,
            })
            .collect()
    })
}

pub fn compression() -> impl Strategy<Value = Compression> {
    prop::sample::select(Compression::ALL.to_vec())
}

pub fn builder(facts: BatchFacts, records: &[ModelRecord]) -> BatchBuilder {
    let mut builder = BatchBuilder::new(facts);
    for record in records {
        let headers: Vec<(&[u8], Option<&[u8]>)> =
            record.headers.iter().map(|(key, value)| (&key[..], value.as_deref())).collect();
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        builder.push(record.offset_delta, record.timestamp_delta, key, value, &headers);
    }
    builder
}

/// Bytes read front to back; `None` once there are too few.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn bytes(&mut self, count: usize) -> Option<Bytes> {
        let taken = self.0.get(..count)?.to_vec();
        self.0 = &self.0[count..];
        Some(taken)
    }

    fn int(&mut self, width: usize) -> Option<i64> {
        let bytes = self.bytes(width)?;
        let unsigned = bytes.iter().fold(0i64, |value, byte| value << 8 | i64::from(*byte));
        let unused = 64 - 8 * width;
        Some(unsigned << unused >> unused)
    }

    fn varint(&mut self, bits: u32) -> Option<i64> {
        let mut raw = 0u128;
        for at in 0..bits.div_ceil(7) {
            let byte = self.bytes(1)?[0];
            raw |= u128::from(byte & 127) << (7 * at);
            if byte < 128 {
                let value =
                    if raw.is_multiple_of(2) { (raw / 2) as i128 } else { -(raw.div_ceil(2) as i128) };
                return (raw < 1 << bits).then_some(value as i64);
            }
        }
        None
    }

    fn nullable(&mut self) -> Option<Option<Bytes>> {
        match self.varint(32)? {
            -1 => Some(None),
            length => Some(Some(self.bytes(usize::try_from(length).ok()?)?)),
        }
    }

    fn record(&mut self) -> Option<ModelRecord> {
        let length = self.varint(32)?;
        let body = self.bytes(usize::try_from(length).ok()?)?;
        let mut body = Cursor(&body);
        body.bytes(1)?;
        let mut record = ModelRecord {
            timestamp_delta: body.varint(64)?,
            offset_delta: body.varint(32)? as i32,
            key: body.nullable()?,
            value: body.nullable()?,
            headers: Vec::new(),
        };
        let headers = body.varint(32)?;
        (headers >= 0).then_some(())?;
        for _ in 0..headers {
            record.headers.push((body.nullable()??, body.nullable()?));
        }
        body.0.is_empty().then_some(record)
    }
}

fn decompress(codec: i64, section: &[u8]) -> Option<Bytes> {
    let mut out = Bytes::new();
    match codec {
        0 => out.extend(section),
        1 => drop(flate2::read::MultiGzDecoder::new(section).read_to_end(&mut out).ok()?),
        2 if section.starts_with(b"\x82SNAPPY\0") => {
            let mut blocks = Cursor(section);
            blocks.bytes(8)?;
            (blocks.int(4)? != 0).then_some(())?;
            blocks.bytes(4)?;
            while !blocks.0.is_empty() {
                let length = usize::try_from(blocks.int(4)?).ok()?;
                out.extend(snap::raw::Decoder::new().decompress_vec(&blocks.bytes(length)?).ok()?);
            }
        }
        2 => out = snap::raw::Decoder::new().decompress_vec(section).ok()?,
        3 => {
            section.starts_with(&[4, 0x22, 0x4d, 0x18]).then_some(())?;
            (section.get(4)? & 32 != 0).then_some(())?;
            lz4_flex::frame::FrameDecoder::new(section).read_to_end(&mut out).ok()?;
            // The decoder does not mind a missing end mark: only a whole frame leaves padding alone.
            let padded = [section, &[0; 2]].concat();
            let mut rest = &padded[..];
            lz4_flex::frame::FrameDecoder::new(&mut rest).read_to_end(&mut Bytes::new()).ok()?;
            (rest.len() == 2).then_some(())?;
        }
        4 => out = zstd::stream::decode_all(section).ok().filter(|_| !section.is_empty())?,
        _ => return None,
    }
    Some(out)
}

/// The records of a batch that Kafka's rules allow a producer to send, or nothing.
pub fn reference(bytes: &[u8], limits: &Limits) -> Option<Vec<ModelRecord>> {
    let mut at = Cursor(bytes);
    let base_offset = at.int(8)?;
    let length = at.int(4)?;
    (usize::try_from(length).ok()? == at.0.len()).then_some(())?;
    let _leader_epoch = at.int(4)?;
    let magic = at.int(1)?;
    let crc = at.int(4)? as u32;
    let crc_matches = crc == crc32c::crc32c(at.0);
    let attributes = at.int(2)?;
    let last_offset_delta = at.int(4)?;
    let base_timestamp = at.int(8)?;
    let _max_timestamp = at.int(8)?;
    let producer_id = at.int(8)?;
    let producer_epoch = at.int(2)?;
    let base_sequence = at.int(4)?;
    let count = at.int(4)?;
    let is_transactional = attributes & 16 != 0;
    let rules = [
        base_offset == 0,
        bytes.len() <= limits.max_batch_bytes,
        magic == 2,
        crc_matches,
        attributes & !0b1_0111 == 0,
        count > 0 && count == last_offset_delta + 1,
        producer_id >= -1,
        producer_id == -1 || producer_epoch >= 0 && base_sequence >= 0,
        producer_id != -1 || !is_transactional,
    ];
    rules.iter().all(|rule| *rule).then_some(())?;
    let section =
        decompress(attributes & 7, at.0).filter(|section| section.len() <= limits.max_uncompressed_bytes)?;
    let mut section = Cursor(&section);
    let mut records = Vec::new();
    for index in 0..count {
        let record = section.record()?;
        let timestamp = base_timestamp.checked_add(record.timestamp_delta)?;
        let age = limits.now_ms.saturating_sub(timestamp);
        let in_time =
            age <= limits.timestamp_before_max_ms && age.saturating_neg() <= limits.timestamp_after_max_ms;
        (i64::from(record.offset_delta) == index && (timestamp == -1 || in_time)).then_some(())?;
        (record.key.is_some() || !limits.requires_key).then_some(())?;
        records.push(record);
    }
    section.0.is_empty().then_some(records)
}
