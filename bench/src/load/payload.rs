//! Records for all measurements.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidemill_records::{BatchBuilder, BatchFacts, Compression};

/// Random hexadecimal digits in each value: half of it, which zstd takes to about a quarter of the whole.
const RANDOM_DIGITS: usize = 512;

/// Of about 64 KiB each.
const DIFFERENT_BATCHES: u64 = 128;

/// About 1 KiB of JSON.
fn value(random: &mut StdRng, number: usize) -> String {
    let noise: String =
        (0..RANDOM_DIGITS).map(|_| char::from_digit(random.random_range(0..16), 16).unwrap_or('0')).collect();
    format!(
        r#"{{"id":{number},"type":"measurement","station":"north-{}","unit":"kWh","comment":"{}","noise":"{noise}"}}"#,
        number % 97,
        "the same text in every record, as real events have it; ".repeat(8)
    )
}

/// Now: older records would be deleted by retention while they are measured.
pub fn now_ms() -> anyhow::Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

/// Different batches, more of them together than a codec's window, or sealing would find them all alike.
pub fn batches(count: usize) -> anyhow::Result<Vec<Bytes>> {
    (0..DIFFERENT_BATCHES).map(|seed| batch(count, seed)).collect()
}

/// A batch of `count` records without a codec, as bytes of the wire.
pub fn batch(count: usize, seed: u64) -> anyhow::Result<Bytes> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut builder = BatchBuilder::new(BatchFacts { base_timestamp: now_ms()?, ..BatchFacts::default() });
    for (delta, number) in (0..).zip(0..count) {
        let value = value(&mut random, number);
        builder.push(delta, i64::from(delta), Some(&number.to_be_bytes()), Some(value.as_bytes()), &[]);
    }
    Ok(builder.build(Compression::None)?.into_bytes())
}

/// A batch of one record that carries its number as its key.
pub fn single(number: u32) -> anyhow::Result<Bytes> {
    let mut random = StdRng::seed_from_u64(u64::from(number));
    let value = value(&mut random, usize::try_from(number)?);
    let mut builder = BatchBuilder::new(BatchFacts { base_timestamp: now_ms()?, ..BatchFacts::default() });
    builder.push(0, 0, Some(&number.to_be_bytes()), Some(value.as_bytes()), &[]);
    Ok(builder.build(Compression::None)?.into_bytes())
}
