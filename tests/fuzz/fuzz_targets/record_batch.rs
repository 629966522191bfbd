//! A whole batch. Magic, length and CRC are put right first (unless the first byte is odd), or
//! nearly all inputs would end there.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tidemill_records::control::parse_control_batch;
use tidemill_records::{BatchFacts, Limits, RecordBatch, Records, batch_from_section, validate_produce};

const MAX_BYTES: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let mut bytes = data.to_vec();
    if bytes.first().is_some_and(|first| first % 2 == 0) && bytes.len() >= 61 {
        seal(&mut bytes);
    }
    let Ok(batch) = RecordBatch::parse(Bytes::from(bytes)) else {
        return;
    };
    let _ = parse_control_batch(&batch);
    assert_eq!(
        &batch.header_bytes()[..],
        &batch.bytes()[..61]
    );
    let limits = Limits {
        max_uncompressed_bytes: MAX_BYTES,
        ..Limits::at(1_700_000_000_000)
    };
    let verdict = validate_produce(&batch, &limits);
    let section = batch.uncompressed_records(MAX_BYTES);
    let records = section
        .as_ref()
        .map(|section| Records::new(section, batch.record_count()).collect::<Result<Vec<_>, _>>());
    let Ok(validated) = verdict else {
        return;
    };
    let records = records
        .expect("a valid batch decompresses")
        .expect("a valid batch has readable records");
    assert_eq!(records.len(), batch.record_count() as usize);
    validated.batch.verify_crc().expect("a valid batch has its CRC");
    let section = section.expect("decompresses");
    let again = batch_from_section(
        &BatchFacts::from(validated.batch.header()),
        &section,
        batch.compression(),
    )
    .expect("a valid batch can be made again");
    assert_eq!(
        validate_produce(&again, &limits)
            .expect("and is valid again")
            .max_timestamp,
        validated.max_timestamp
    );
});

fn seal(bytes: &mut [u8]) {
    bytes[..8].fill(0);
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[16] = 2;
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
}
