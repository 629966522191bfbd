//! CPU seconds per GB of sealing and decoding, beside plain zstd over the same bytes.
//!
//! Linux only: thread CPU time comes from `/proc`. Run optimised:
//! `cargo run --release -p tidemill-archive-format --example measure [FOLDER]`; the objects are kept
//! in the folder, if one is given.

use std::error::Error;
use std::ops::Range;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use tidemill_archive_format::{Codec, Disposition, Footer, ObjectFacts, ObjectWriter, WriterOptions};
use tidemill_records::{BatchBuilder, BatchFacts, Compression, RecordBatch};

const TOTAL_BYTES: usize = 64 << 20;
const BATCH_BYTES: usize = 64 << 10;
const FETCH_BYTES: usize = 1 << 20;

fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos: f64 = stat.split_whitespace().next().ok_or("no figure")?.parse()?;
    Ok(nanos / 1e9)
}

fn timed<T>(work: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<(T, f64), Box<dyn Error>> {
    let before = cpu_seconds()?;
    let result = work()?;
    Ok((result, cpu_seconds()? - before))
}

fn json(rng: &mut StdRng, size: usize) -> Vec<u8> {
    let carriers = ["UA", "AA", "DL", "B6", "EV", "MQ", "US", "WN"];
    let carrier = carriers.get(rng.random_range(0..carriers.len())).copied().unwrap_or("UA");
    let mut text = format!(
        r#"{{"carrier":"{carrier}","flight":{},"delay":{}"#,
        rng.random_range(1..9999),
        rng.random_range(-30..400)
    );
    let mut field = 0;
    while text.len() + 20 < size {
        text.push_str(&format!(r#","f{field}":{}"#, rng.random_range(0..100_000)));
        field += 1;
    }
    text.push('}');
    text.into_bytes()
}

/// Batches of records that `value` makes; with a header each if asked.
fn batches(
    mut value: impl FnMut(&mut StdRng) -> Vec<u8>,
    header: bool,
) -> Result<Vec<RecordBatch>, Box<dyn Error>> {
    let mut rng = StdRng::seed_from_u64(1);
    let (mut all, mut total, mut offset) = (Vec::new(), 0, 0);
    while total < TOTAL_BYTES {
        let facts = BatchFacts {
            base_offset: offset,
            base_timestamp: 1_700_000_000_000 + offset,
            ..BatchFacts::default()
        };
        let mut builder = BatchBuilder::new(facts);
        while builder.section_bytes() < BATCH_BYTES {
            let key = format!("k{}", rng.random_range(0..1000));
            let value = value(&mut rng);
            let trace: [u8; 8] = rng.random();
            let headers: &[_] = &[(&b"trace"[..], Some(&trace[..]))];
            let headers = if header { headers } else { &[] };
            let count = builder.record_count();
            builder.push(count, i64::from(count / 10), Some(key.as_bytes()), Some(&value), headers);
        }
        let batch = builder.build(Compression::None)?;
        offset = batch.next_offset();
        total += batch.size_bytes();
        all.push(batch);
    }
    Ok(all)
}

fn seal(batches: &[RecordBatch]) -> Result<(Bytes, u32), Box<dyn Error>> {
    let facts = ObjectFacts { topic: "measure".into(), topic_id: uuid::Uuid::nil(), partition: 0 };
    let mut object = Vec::with_capacity(TOTAL_BYTES);
    let mut writer = ObjectWriter::new(facts, WriterOptions::default(), &mut object)?;
    for batch in batches {
        writer.push(batch, Disposition::Committed)?;
    }
    let summary = writer.finish()?;
    Ok((Bytes::from(object), summary.footer_bytes))
}

fn decode(object: &Bytes, footer_bytes: u32) -> Result<u64, Box<dyn Error>> {
    let footer =
        Footer::parse(object.slice(object.len() - footer_bytes as usize..), object.len() as u64, None)?;
    let (mut offset, mut bytes) = (0, 0);
    while let Some(plan) = footer.plan(offset, FETCH_BYTES)? {
        let piece = |range: &Range<u64>| object.slice(range.start as usize..range.end as usize);
        let read = footer.decode(
            &plan,
            plan.ranges().iter().map(piece).collect(),
            Codec::Fixed(Compression::None),
        )?;
        bytes += read.batches.iter().map(|batch| batch.size_bytes() as u64).sum::<u64>();
        offset = read.next_offset;
    }
    Ok(bytes)
}

fn measure(name: &str, batches: &[RecordBatch]) -> Result<(), Box<dyn Error>> {
    let gigabytes = batches.iter().map(RecordBatch::size_bytes).sum::<usize>() as f64 / 1e9;
    let (raw, compress) = timed(|| {
        let each = batches.iter().map(|batch| zstd::bulk::compress(&batch.bytes(), 1));
        Ok(each.collect::<Result<Vec<_>, _>>()?)
    })?;
    let (_, decompress) = timed(|| {
        let mut sum = 0;
        for (raw, batch) in raw.iter().zip(batches) {
            sum ^= crc32c::crc32c(&zstd::bulk::decompress(raw, batch.size_bytes())?);
        }
        Ok(sum)
    })?;
    let ((object, footer_bytes), sealing) = timed(|| seal(batches))?;
    let (decoded, decoding) = timed(|| decode(&object, footer_bytes))?;
    assert_eq!(decoded as f64 / 1e9, gigabytes);
    if let Some(folder) = std::env::args().nth(1) {
        let file = format!("{}.parquet", name.replace([' ', ':', ','], "-"));
        std::fs::write(std::path::Path::new(&folder).join(file), &object)?;
    }
    println!(
        "{name}: zstd-1 {:.2} s/GB, seal {:.2} ({:.2} x) | unzstd+crc {:.2}, decode {:.2} ({:.2} x) | size {:.3}, zstd {:.3}, footer {}",
        compress / gigabytes,
        sealing / gigabytes,
        sealing / compress,
        decompress / gigabytes,
        decoding / gigabytes,
        decoding / decompress,
        object.len() as f64 / gigabytes / 1e9,
        raw.iter().map(Vec::len).sum::<usize>() as f64 / gigabytes / 1e9,
        footer_bytes,
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    measure("a: JSON of 100 bytes", &batches(|rng| json(rng, 100), false)?)?;
    measure("b: JSON of 1 KiB, one header", &batches(|rng| json(rng, 1024), true)?)?;
    let noise = |rng: &mut StdRng| {
        let mut value = vec![0; 1024];
        rng.fill_bytes(&mut value);
        value
    };
    measure("c: noise of 1 KiB", &batches(noise, false)?)
}
