//! The pages and side blocks of an archived object, with checksums that are right: three bytes of input change one byte
//! of a sound object's body.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tidemill_archive_format::{
    Codec, ColumnCodec, Disposition, Footer, ObjectFacts, ObjectWriter, WriterOptions,
};
use tidemill_records::{BatchBuilder, BatchFacts, Compression, RecordBatch, TimestampType};

#[path = "../../../tiered-storage/format/tests/model/forge.rs"]
mod forge;

struct Object {
    bytes: Vec<u8>,
    footer_bytes: usize,
}

/// One object whose pages are plain, so that what is changed reaches their decoders, and one whose pages are not.
static OBJECTS: LazyLock<[Object; 2]> = LazyLock::new(|| {
    // What a decoder that is not ours gives up on is an error like any other; what nobody catches ends the process.
    std::panic::set_hook(Box::new(|_| ()));
    [ColumnCodec::None, ColumnCodec::Zstd].map(object)
});

fn object(codec: ColumnCodec) -> Object {
    let facts = ObjectFacts { topic: "t".into(), topic_id: Default::default(), partition: 0 };
    let options =
        WriterOptions { codec, row_group_bytes: 4 << 10, page_bytes: 512, ..WriterOptions::default() };
    let mut bytes = Vec::new();
    let mut writer = ObjectWriter::new(facts, options, &mut bytes).unwrap();
    for number in 0..24 {
        let (batch, disposition) = batch(number);
        writer.push(&batch, disposition).unwrap();
    }
    let footer_bytes = writer.finish().unwrap().footer_bytes as usize;
    Object { bytes, footer_bytes }
}

/// Keys that repeat and keys that do not, nulls, headers, aborted data, deltas in the side stream.
fn batch(number: i64) -> (RecordBatch, Disposition) {
    let stamped = number % 7 == 3;
    let facts = BatchFacts {
        base_offset: number * 10,
        base_timestamp: 1_700_000_000_000,
        timestamp_type: if stamped { TimestampType::LogAppendTime } else { TimestampType::CreateTime },
        is_transactional: number % 5 == 4,
        producer_id: 7,
        producer_epoch: 0,
        base_sequence: 0,
        ..BatchFacts::default()
    };
    let mut builder = BatchBuilder::new(facts);
    for delta in 0..9 {
        let key = if number < 12 { vec![b'k'; 3] } else { vec![delta as u8; 4] };
        let value = vec![b'v'; (delta as usize * 13) % 40];
        let headers: &[(&[u8], Option<&[u8]>)] = match delta {
            3 => &[(b"a", Some(b"1")), (b"\xff", None), (b"a", Some(b""))],
            _ => &[],
        };
        let value = (delta != 5).then_some(value.as_slice());
        builder.push(delta, i64::from(delta % 4), (delta != 7).then_some(key.as_slice()), value, headers);
    }
    let disposition = match number % 5 {
        4 => Disposition::Aborted { first_offset: number * 10 },
        _ => Disposition::Committed,
    };
    (builder.build(Compression::None).unwrap(), disposition)
}

fuzz_target!(|data: &[u8]| {
    let [which, edits @ ..] = data else {
        return;
    };
    let Some(sound) = OBJECTS.get(usize::from(which % 2)) else {
        return;
    };
    let mut bytes = sound.bytes.clone();
    let body = bytes.len() - sound.footer_bytes;
    for edit in edits.chunks_exact(3) {
        bytes[usize::from(u16::from_le_bytes([edit[0], edit[1]])) % body] = edit[2];
    }
    let crc32c = forge::forge(&mut bytes, sound.footer_bytes);
    let bytes = Bytes::from(bytes);
    let Ok(footer) = Footer::parse(bytes.slice(body..), bytes.len() as u64, crc32c) else {
        return;
    };
    let mut offset = 0;
    while let Ok(Some(plan)) = footer.plan(offset, 2048) {
        let pieces = plan.ranges().iter().map(|range| bytes.slice(range.start as usize..range.end as usize));
        let _ = footer.decode(&plan, pieces.collect(), Codec::AsProduced);
        offset = plan.next_offset();
    }
});
