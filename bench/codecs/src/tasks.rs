//! Pieces of work of a fixed size.

use std::hint::black_box;

use anyhow::Context;
use tidemill_records::validate::DEFAULT_MAX_UNCOMPRESSED_BYTES;
use tidemill_records::{
    BatchBuilder, BatchFacts, Compression, Limits, RecordBatch, Records, validate_produce,
};

use crate::archive::{self, RawCompressed};
use crate::payload::{Content, Size, partition};

/// What an archive object is made of here: enough for the cost of its footer not to show.
const OBJECT_BYTES: usize = 1 << 20;

/// Something to do again and again.
pub struct Task {
    /// Bytes that it handles each time, without a codec.
    pub bytes: usize,
    /// Does it.
    pub run: Box<dyn FnMut() -> anyhow::Result<()>>,
}

impl Task {
    fn new<T>(bytes: usize, mut work: impl FnMut() -> anyhow::Result<T> + 'static) -> Task {
        Task { bytes, run: Box::new(move || work().map(|result| drop(black_box(result)))) }
    }
}

type Prepare = fn() -> anyhow::Result<Task>;

/// All tasks by name. Each works on 1 KiB JSON: a batch of 64 KiB, or an object of 1 MiB.
pub const TASKS: &[(&str, Prepare)] = &[
    ("crc32c", checksum),
    ("decode", decode),
    ("encode none", || encode(Compression::None)),
    ("encode gzip", || encode(Compression::Gzip)),
    ("encode snappy", || encode(Compression::Snappy)),
    ("encode lz4", || encode(Compression::Lz4)),
    ("encode zstd", || encode(Compression::Zstd)),
    ("validate none", || validate(Compression::None)),
    ("validate gzip", || validate(Compression::Gzip)),
    ("validate snappy", || validate(Compression::Snappy)),
    ("validate lz4", || validate(Compression::Lz4)),
    ("validate zstd", || validate(Compression::Zstd)),
    ("decompress gzip", || decompress(Compression::Gzip)),
    ("decompress snappy", || decompress(Compression::Snappy)),
    ("decompress lz4", || decompress(Compression::Lz4)),
    ("decompress zstd", || decompress(Compression::Zstd)),
    ("seal", seal),
    ("fetch archived", fetch_archived),
    ("raw zstd-1", raw_compress),
    ("raw zstd and crc32c", raw_decompress),
];

fn one_batch() -> anyhow::Result<RecordBatch> {
    partition(Content::Events(Size::Large), 1)?.pop().context("no batch")
}

fn object_batches() -> anyhow::Result<Vec<RecordBatch>> {
    partition(Content::Events(Size::Large), OBJECT_BYTES)
}

fn checksum() -> anyhow::Result<Task> {
    let bytes = one_batch()?.into_bytes();
    Ok(Task::new(bytes.len(), move || Ok(crc32c::crc32c(&bytes))))
}

fn decode() -> anyhow::Result<Task> {
    let batch = one_batch()?;
    Ok(Task::new(batch.size_bytes(), move || {
        let read = RecordBatch::parse(batch.bytes())?;
        for record in Records::new(read.records_section(), read.record_count()) {
            black_box(record?);
        }
        Ok(())
    }))
}

/// Takes a batch apart and builds it again, with a codec.
fn encoded(batch: &RecordBatch, codec: Compression) -> anyhow::Result<RecordBatch> {
    let base_timestamp = batch.header().base_timestamp;
    let mut builder = BatchBuilder::new(BatchFacts { base_timestamp, ..BatchFacts::default() });
    for record in Records::new(batch.records_section(), batch.record_count()) {
        builder.push_record(&record?);
    }
    Ok(builder.build(codec)?)
}

fn validate(codec: Compression) -> anyhow::Result<Task> {
    let plain = one_batch()?;
    let limits = Limits::at(plain.header().max_timestamp);
    let batch = encoded(&plain, codec)?;
    Ok(Task::new(plain.size_bytes(), move || Ok(validate_produce(&batch, &limits)?)))
}

fn encode(codec: Compression) -> anyhow::Result<Task> {
    let batch = one_batch()?;
    Ok(Task::new(batch.size_bytes(), move || encoded(&batch, codec)))
}

fn decompress(codec: Compression) -> anyhow::Result<Task> {
    let plain = one_batch()?;
    let batch = encoded(&plain, codec)?;
    Ok(Task::new(plain.size_bytes(), move || Ok(batch.uncompressed_records(DEFAULT_MAX_UNCOMPRESSED_BYTES)?)))
}

fn seal() -> anyhow::Result<Task> {
    let batches = object_batches()?;
    let mut memory = Vec::new();
    Ok(Task::new(archive::bytes_of(&batches), move || {
        memory = archive::seal(&batches, std::mem::take(&mut memory))?.into_memory();
        Ok(())
    }))
}

fn fetch_archived() -> anyhow::Result<Task> {
    let batches = object_batches()?;
    let object = archive::seal(&batches, Vec::new())?;
    Ok(Task::new(archive::bytes_of(&batches), move || archive::fetch_all(&object)))
}

fn raw_compress() -> anyhow::Result<Task> {
    let batches = object_batches()?;
    let mut compressed = RawCompressed::default();
    Ok(Task::new(archive::bytes_of(&batches), move || compressed.fill(&batches)))
}

fn raw_decompress() -> anyhow::Result<Task> {
    let batches = object_batches()?;
    let mut compressed = RawCompressed::default();
    compressed.fill(&batches)?;
    Ok(Task::new(archive::bytes_of(&batches), move || compressed.read(&batches)))
}
