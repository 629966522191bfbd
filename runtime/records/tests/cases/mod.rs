//! One batch per rule that a validator has to know.

use std::io::Write;

use lz4_flex::frame::{BlockMode, FrameEncoder, FrameInfo};
use tidemill_records::{Attributes, BatchBuilder, BatchFacts, BatchHeader, Compression};

pub const NOW_MS: i64 = 1_700_000_000_000;
const CODECS: [Compression; 4] =
    [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

pub struct Case {
    pub name: String,
    pub bytes: Vec<u8>,
}

pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    envelope_cases(&mut cases);
    header_cases(&mut cases);
    record_cases(&mut cases);
    codec_cases(&mut cases);
    cases
}

/// Three records at now, a second earlier, and now again.
fn good() -> BatchBuilder {
    let facts = BatchFacts { base_timestamp: NOW_MS, ..BatchFacts::default() };
    let mut builder = BatchBuilder::new(facts);
    builder.push(0, 0, Some(b"k"), Some(b"v"), &[(b"h", Some(b"x")), (b"h", None)]);
    builder.push(1, -1000, Some(b""), None, &[]);
    builder.push(2, 0, Some(b"k3"), Some(b"v3"), &[]);
    builder
}

fn good_header() -> BatchHeader {
    *good().build(Compression::None).unwrap().header()
}

/// A batch of this header and section, length and CRC as they have to be.
pub fn sealed(mut header: BatchHeader, section: &[u8]) -> Vec<u8> {
    header.batch_length = (49 + section.len()) as i32;
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(section);
    reseal(bytes)
}

fn reseal(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn add(cases: &mut Vec<Case>, name: impl Into<String>, bytes: Vec<u8>) {
    cases.push(Case { name: name.into(), bytes });
}

fn envelope_cases(cases: &mut Vec<Case>) {
    for codec in Compression::ALL {
        add(cases, format!("good {codec}"), good().build(codec).unwrap().bytes().to_vec());
    }
    let good = good().build(Compression::None).unwrap().bytes().to_vec();
    add(cases, "empty", Vec::new());
    add(cases, "twice", [good.clone(), good.clone()].concat());
    add(cases, "crc wrong", {
        let mut bytes = good.clone();
        bytes[30] ^= 1;
        bytes
    });
    for magic in [0i8, 1, 3, -1] {
        let mut bytes = good.clone();
        bytes[16] = magic.to_be_bytes()[0];
        add(cases, format!("magic {magic}"), reseal(bytes));
    }
    for (name, length) in
        [("short", 48i32), ("tiny", 3), ("negative", -1), ("too short by 1", good.len() as i32 - 13)]
    {
        let mut bytes = good.clone();
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        add(cases, format!("length {name}"), reseal(bytes));
    }
    for base_offset in [1, -1] {
        let bytes = sealed(BatchHeader { base_offset, ..good_header() }, good_section().as_slice());
        add(cases, format!("base offset {base_offset}"), bytes);
    }
    let large = vec![7; 1_048_588];
    let facts = BatchFacts { base_timestamp: NOW_MS, ..BatchFacts::default() };
    let large =
        BatchBuilder::new(facts).push(0, 0, None, Some(&large), &[]).build(Compression::None).unwrap();
    add(cases, "larger than allowed", large.bytes().to_vec());
}

fn good_section() -> Vec<u8> {
    good().section().to_vec()
}

#[allow(clippy::too_many_lines, reason = "a table")]
fn header_cases(cases: &mut Vec<Case>) {
    let header = good_header();
    let bits = |bits: i16| BatchHeader { attributes: Attributes::from_bits(bits), ..header };
    let producer = |producer_id, producer_epoch, base_sequence| BatchHeader {
        producer_id,
        producer_epoch,
        base_sequence,
        ..header
    };
    let counts = |record_count, last_offset_delta| BatchHeader { record_count, last_offset_delta, ..header };
    let headers = [
        ("log append time", bits(8)),
        ("transactional without producer", bits(16)),
        ("control", bits(32)),
        ("delete horizon", bits(64)),
        ("unassigned bit 7", bits(128)),
        ("unassigned bit 15", bits(i16::MIN)),
        ("producer", producer(7, 0, 0)),
        ("producer, last sequence", producer(7, 0, i32::MAX)),
        ("producer without sequence", producer(7, 0, -1)),
        ("producer without epoch", producer(7, -1, 0)),
        ("producer -2", producer(-2, 0, 0)),
        ("no producer, but a sequence", producer(-1, -1, 0)),
        ("transactional", BatchHeader { attributes: Attributes::from_bits(16), ..producer(7, 0, 0) }),
        ("leader epoch 7", BatchHeader { partition_leader_epoch: 7, ..header }),
        ("max timestamp too small", BatchHeader { max_timestamp: NOW_MS - 7, ..header }),
        ("max timestamp too large", BatchHeader { max_timestamp: NOW_MS + 7, ..header }),
        ("max timestamp missing", BatchHeader { max_timestamp: -1, ..header }),
        ("count 0", counts(0, 0)),
        ("count 0, range 0", counts(0, -1)),
        ("count -1", counts(-1, 2)),
        ("count 2", counts(2, 1)),
        ("count 4", counts(4, 3)),
        ("count of 2, range of 3", counts(2, 2)),
        ("range of 2", counts(3, 1)),
        ("range of 4", counts(3, 3)),
        ("range negative", counts(3, -5)),
        ("count huge", counts(i32::MAX, i32::MAX - 1)),
        (
            "one hour ahead",
            BatchHeader { base_timestamp: NOW_MS + 3_600_000, max_timestamp: NOW_MS + 3_600_000, ..header },
        ),
        ("too far ahead", BatchHeader { base_timestamp: NOW_MS + 3_600_001, ..header }),
        ("too old", BatchHeader { base_timestamp: NOW_MS - 86_400_001, ..header }),
        ("timestamps overflow", BatchHeader { base_timestamp: i64::MIN + 5, ..header }),
    ];
    for (name, header) in headers {
        add(cases, name, sealed(header, &good_section()));
        let compressed = header.attributes.with_compression(Compression::Gzip);
        let bytes = sealed(BatchHeader { attributes: compressed, ..header }, &gzip(&good_section()));
        add(cases, format!("{name}, gzip"), bytes);
    }
    for id in [5, 6, 7] {
        add(cases, format!("compression {id}"), sealed(bits(id), &good_section()));
    }
    let facts = BatchFacts { base_timestamp: -1, ..BatchFacts::default() };
    let without_time = BatchBuilder::new(facts).push(0, 0, None, None, &[]).build(Compression::Lz4).unwrap();
    add(cases, "no timestamp", without_time.bytes().to_vec());
    add(cases, "compacted without key", without_time.bytes().to_vec());
    add(cases, "compacted with empty key", good().build(Compression::Zstd).unwrap().bytes().to_vec());
}

/// Sections for a header that announces one record (attributes, deltas 0, key "k", value "v").
#[allow(clippy::too_many_lines, reason = "a table")]
fn record_cases(cases: &mut Vec<Case>) {
    let sections: [(&str, &[u8]); 32] = [
        ("as it should be", &[16, 0, 0, 0, 2, b'k', 2, b'v', 0]),
        ("attributes set", &[16, 0x7f, 0, 0, 2, b'k', 2, b'v', 0]),
        ("null key and value", &[12, 0, 0, 0, 1, 1, 0]),
        ("empty key and value", &[12, 0, 0, 0, 0, 0, 0]),
        ("a byte after it", &[16, 0, 0, 0, 2, b'k', 2, b'v', 0, 0]),
        ("another after it", &[12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 2, 1, 1, 0]),
        ("missing", &[]),
        ("cut short", &[16, 0, 0, 0, 2, b'k', 2, b'v']),
        ("length one more", &[18, 0, 0, 0, 2, b'k', 2, b'v', 0]),
        ("length one more, used", &[18, 0, 0, 0, 2, b'k', 2, b'v', 0, 0]),
        ("length one less", &[14, 0, 0, 0, 2, b'k', 2, b'v', 0]),
        ("length 0", &[0]),
        ("length negative", &[1, 0, 0, 0, 2, b'k', 2, b'v', 0]),
        ("length padded", &[0x90, 0x80, 0x80, 0x80, 0, 0, 0, 0, 2, b'k', 2, b'v', 0]),
        ("length padded too far", &[0x90, 0x80, 0x80, 0x80, 0x80, 0, 0, 0, 0, 2, b'k', 2, b'v', 0]),
        ("length beyond 32 bits", &[0x90, 0x80, 0x80, 0x80, 0x10, 0, 0, 0, 2, b'k', 2, b'v', 0]),
        ("length huge", &[0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 2, b'k', 2, b'v', 0]),
        ("offset delta 1", &[16, 0, 0, 2, 2, b'k', 2, b'v', 0]),
        ("offset delta -1", &[16, 0, 0, 1, 2, b'k', 2, b'v', 0]),
        (
            "timestamp delta too long",
            &[36, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0, 2, b'k', 2, b'v', 0],
        ),
        ("key length -2", &[14, 0, 0, 0, 3, 2, b'v', 0]),
        ("key length huge", &[16, 0, 0, 0, 0x7e, b'k', 2, b'v', 0]),
        ("value length -2", &[14, 0, 0, 0, 2, b'k', 3, 0]),
        ("value length huge", &[16, 0, 0, 0, 2, b'k', 0x7e, b'v', 0]),
        ("value to the end", &[16, 0, 0, 0, 2, b'k', 4, b'v', 0]),
        ("header count -1", &[16, 0, 0, 0, 2, b'k', 2, b'v', 1]),
        ("header count huge", &[16, 0, 0, 0, 2, b'k', 2, b'v', 0x7e]),
        ("header null value", &[20, 0, 0, 0, 2, b'k', 2, b'v', 2, 0, 1]),
        ("header null key", &[20, 0, 0, 0, 2, b'k', 2, b'v', 2, 1, 1]),
        ("header value length -2", &[20, 0, 0, 0, 2, b'k', 2, b'v', 2, 0, 3]),
        ("header cut short", &[18, 0, 0, 0, 2, b'k', 2, b'v', 2, 0]),
        ("header after the last", &[20, 0, 0, 0, 2, b'k', 2, b'v', 0, 0, 1]),
    ];
    let header = BatchHeader { record_count: 1, last_offset_delta: 0, ..good_header() };
    for (name, section) in sections {
        add(cases, format!("record {name}"), sealed(header, section));
        let compressed = header.attributes.with_compression(Compression::Gzip);
        let bytes = sealed(BatchHeader { attributes: compressed, ..header }, &gzip(section));
        add(cases, format!("record {name}, gzip"), bytes);
    }
}

fn codec_cases(cases: &mut Vec<Case>) {
    for codec in CODECS {
        let batch = good().build(codec).unwrap();
        let (header, stream) = (*batch.header(), batch.records_section().to_vec());
        let mut damaged = stream.clone();
        let middle = stream.len() / 2;
        damaged[middle] ^= 0x55;
        let streams = [
            ("empty", Vec::new()),
            ("noise", b"no codec writes this".to_vec()),
            ("cut short", stream[..stream.len() - 5].to_vec()),
            ("only begun", stream[..9].to_vec()),
            ("a byte after it", [stream.clone(), vec![0]].concat()),
            ("bytes after it", [stream.clone(), b"what is this doing here".to_vec()].concat()),
            ("damaged", damaged),
        ];
        for (name, stream) in streams {
            add(cases, format!("{codec} stream {name}"), sealed(header, &stream));
        }
        // The records spread over two streams, one after the other.
        let (first, second) = batch_halves();
        let halves = [compressed(codec, &first), compressed(codec, &second)].concat();
        add(cases, format!("{codec} in two streams"), sealed(header, &halves));
    }
    snappy_and_lz4_cases(cases);
}

fn snappy_and_lz4_cases(cases: &mut Vec<Case>) {
    let whole = compressed(Compression::Lz4, &good_section());
    let endless = whole[..whole.len() - 4].to_vec();
    let header =
        |codec| BatchHeader { attributes: Attributes::default().with_compression(codec), ..good_header() };
    let raw = snap::raw::Encoder::new().compress_vec(&good_section()).unwrap();
    add(cases, "snappy raw", sealed(header(Compression::Snappy), &raw));
    add(cases, "lz4 without end mark", sealed(header(Compression::Lz4), &endless));
    let mut version = compressed(Compression::Snappy, &good_section());
    version[11] = 0;
    add(cases, "snappy version 0", sealed(header(Compression::Snappy), &version));
    let info = || FrameInfo::new().block_mode(BlockMode::Independent);
    let infos = [
        ("linked blocks", info().block_mode(BlockMode::Linked)),
        ("content checksum", info().content_checksum(true)),
        ("block checksums", info().block_checksums(true)),
        ("content size", info().content_size(Some(good_section().len() as u64))),
    ];
    for (name, info) in infos {
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(&good_section()).unwrap();
        add(cases, format!("lz4 {name}"), sealed(header(Compression::Lz4), &encoder.finish().unwrap()));
    }
}

/// The good section, cut after its first record.
fn batch_halves() -> (Vec<u8>, Vec<u8>) {
    let section = good_section();
    let (first, second) = section.split_at(1 + usize::from(section[0] / 2));
    (first.to_vec(), second.to_vec())
}

/// Any bytes as a batch's builder would compress them.
fn compressed(codec: Compression, section: &[u8]) -> Vec<u8> {
    match codec {
        Compression::Gzip => gzip(section),
        Compression::Zstd => zstd::stream::encode_all(section, 3).unwrap(),
        Compression::Lz4 => {
            let info = FrameInfo::new().block_mode(BlockMode::Independent);
            let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(section).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Snappy => {
            let block = snap::raw::Encoder::new().compress_vec(section).unwrap();
            let mut stream = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
            stream.extend_from_slice(&(block.len() as u32).to_be_bytes());
            stream.extend_from_slice(&block);
            stream
        }
        Compression::None => section.to_vec(),
    }
}

fn gzip(section: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(section).unwrap();
    encoder.finish().unwrap()
}
