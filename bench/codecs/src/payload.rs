//! Records for all measurements: JSON of 100 bytes or 1 KiB, or noise, keyed by number.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use tidemill_records::{BatchBuilder, BatchFacts, Compression, RecordBatch};

/// Random hexadecimal digits in each large value: half of it, which zstd takes to about a quarter of the whole.
const RANDOM_DIGITS: usize = 512;
/// Of about 64 KiB each, if they have as many records as fit.
const DIFFERENT_BATCHES: u64 = 128;

/// About how large a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 100 bytes.
    Small,
    /// 1 KiB.
    Large,
}

/// What values hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// [`event`] of this size.
    Events(Size),
    /// 1 KiB that no codec makes smaller.
    Noise,
}

/// Something that happened, as JSON.
pub fn event(random: &mut StdRng, number: usize, size: Size) -> String {
    let (user, amount) = (random.random_range(0..1_000_000), random.random_range(0..100));
    let head = format!(
        r#"{{"id":{number},"user":"user-{user:06}","amount":{amount}.25,"note":"some words to make it longer","flag":true"#
    );
    finished(head, random, size)
}

/// A flight that left so many minutes late, as JSON.
pub fn flight(random: &mut StdRng, number: u32, delay: u32, size: Size) -> String {
    let head = format!(
        r#"{{"year":2013,"month":1,"day":2,"dep_delay":{delay},"carrier":"UA","flight":{number},"origin":"EWR","dest":"IAH""#
    );
    finished(head, random, size)
}

/// Closes a JSON object after making it as large as it should be.
fn finished(mut object: String, random: &mut StdRng, size: Size) -> String {
    if size == Size::Large {
        object.push_str(r#","comment":""#);
        object.push_str(&"the same text in every record, as real events have it; ".repeat(7));
        object.push_str(r#"","noise":""#);
        let digit = |_| char::from_digit(random.random_range(0..16), 16).unwrap_or('0');
        object.extend((0..RANDOM_DIGITS).map(digit));
        object.push('"');
    }
    object.push('}');
    object
}

/// Now: older records would be deleted by retention while they are measured.
pub fn now_ms() -> anyhow::Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

/// A batch of these values from an offset on, each with its number as its key, without a codec.
pub fn batch_of<V: AsRef<[u8]>>(
    base_offset: i64,
    values: impl IntoIterator<Item = (u32, V)>,
) -> anyhow::Result<RecordBatch> {
    let facts = BatchFacts { base_offset, base_timestamp: now_ms()?, ..BatchFacts::default() };
    let mut builder = BatchBuilder::new(facts);
    for (delta, (number, value)) in (0..).zip(values) {
        builder.push(delta, i64::from(delta), Some(&number.to_be_bytes()), Some(value.as_ref()), &[]);
    }
    Ok(builder.build(Compression::None)?)
}

/// A batch of `count` large events, as bytes of the wire.
pub fn batch(count: usize, seed: u64) -> anyhow::Result<Bytes> {
    let mut random = StdRng::seed_from_u64(seed);
    let values = (0..).zip(0..count).map(|(number, index)| (number, event(&mut random, index, Size::Large)));
    Ok(batch_of(0, values)?.into_bytes())
}

/// Different batches, more of them together than a codec's window, or sealing would find them all alike.
pub fn batches(count: usize) -> anyhow::Result<Vec<Bytes>> {
    (0..DIFFERENT_BATCHES).map(|seed| batch(count, seed)).collect()
}

/// A batch of one large event that carries its number as its key.
pub fn single(number: u32) -> anyhow::Result<Bytes> {
    let mut random = StdRng::seed_from_u64(u64::from(number));
    let value = event(&mut random, usize::try_from(number)?, Size::Large);
    Ok(batch_of(0, [(number, value)])?.into_bytes())
}

/// Batches of 64 KiB that follow each other in one partition, with so many bytes together.
pub fn partition(content: Content, total_bytes: usize) -> anyhow::Result<Vec<RecordBatch>> {
    const BATCH_BYTES: usize = 64 << 10;
    let mut random = StdRng::seed_from_u64(1);
    let (mut all, mut total, mut offset) = (Vec::new(), 0, 0_i64);
    while total < total_bytes {
        let (mut values, mut bytes) = (Vec::new(), 0);
        while bytes < BATCH_BYTES {
            let number = u32::try_from(offset)? + u32::try_from(values.len())?;
            let value = value(content, &mut random, usize::try_from(number)?);
            bytes += value.len();
            values.push((number, value));
        }
        let batch = batch_of(offset, values)?;
        offset = batch.next_offset();
        total += batch.size_bytes();
        all.push(batch);
    }
    Ok(all)
}

fn value(content: Content, random: &mut StdRng, number: usize) -> Vec<u8> {
    match content {
        Content::Events(size) => event(random, number, size).into_bytes(),
        Content::Noise => {
            let mut noise = vec![0; 1024];
            random.fill_bytes(&mut noise);
            noise
        }
    }
}
