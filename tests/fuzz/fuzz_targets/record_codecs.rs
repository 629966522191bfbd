//! A compressed stream. The first byte chooses the codec, and whether what follows is the stream
//! or a value to compress into one, with some bytes of it to overwrite.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tidemill_records::{BatchBuilder, BatchFacts, BatchHeader, Compression, RecordBatch};

const MAX_BYTES: usize = 1 << 18;
const EDIT_BYTES: usize = 3;
const COMPRESS_FIRST: u8 = 0x80;

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let codec = Compression::ALL[usize::from(choice & 0x7f) % Compression::ALL.len()];
    let stream = match choice & COMPRESS_FIRST {
        0 => data.to_vec(),
        _ => edited_stream(codec, data),
    };
    let template = BatchBuilder::new(BatchFacts::default())
        .build(codec)
        .expect("an empty batch");
    let header = BatchHeader {
        batch_length: (49 + stream.len()) as i32,
        ..*template.header()
    };
    let bytes = [&header.encode()[..], &stream].concat();
    let batch = RecordBatch::parse(Bytes::from(bytes)).expect("a header that is right");
    if let Ok(section) = batch.uncompressed_records(MAX_BYTES) {
        assert!(codec == Compression::None || section.len() <= MAX_BYTES);
    }
});

fn edited_stream(codec: Compression, data: &[u8]) -> Vec<u8> {
    let (edits, value) = data.split_at(data.len().min(2 * EDIT_BYTES));
    let mut builder = BatchBuilder::new(BatchFacts::default());
    builder.push(0, 0, None, Some(value), &[]);
    let batch = builder.build(codec).expect("a small record");
    let mut stream = batch.records_section().to_vec();
    for edit in edits.chunks_exact(EDIT_BYTES) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % stream.len();
        stream[at] = edit[2];
    }
    stream
}
