//! Batches into an archive object and back; and the limit of both, the same bytes through raw zstd.
//!
//! What is written goes into memory that was touched before, or the first touch of it would be most
//! of what some of this takes.

use std::ops::Range;

use anyhow::Context;
use bytes::Bytes;
use tidemill_archive_format::{Codec, Disposition, Footer, ObjectFacts, ObjectWriter, WriterOptions};
use tidemill_records::{Compression, RecordBatch};
use uuid::Uuid;

/// What one fetch asks for.
const FETCH_BYTES: usize = 1 << 20;
const LEVEL: i32 = 1;

/// An archive object.
pub struct Object {
    /// The Parquet file.
    pub bytes: Bytes,
    footer_bytes: usize,
}

impl Object {
    /// Its memory, for the next one.
    #[must_use]
    pub fn into_memory(self) -> Vec<u8> {
        let mut memory = Vec::from(self.bytes);
        memory.clear();
        memory
    }
}

/// Writes batches into an object with default options, which are zstd-1.
pub fn seal(batches: &[RecordBatch], mut memory: Vec<u8>) -> anyhow::Result<Object> {
    let facts = ObjectFacts { topic: "bench".into(), topic_id: Uuid::nil(), partition: 0 };
    let mut writer = ObjectWriter::new(facts, WriterOptions::default(), &mut memory)?;
    for batch in batches {
        writer.push(batch, Disposition::Committed)?;
    }
    let footer_bytes = usize::try_from(writer.finish()?.footer_bytes)?;
    Ok(Object { bytes: memory.into(), footer_bytes })
}

/// Makes batches of the whole object, as fetches of 1 MiB each do; answers how many bytes they have.
pub fn fetch_all(object: &Object) -> anyhow::Result<usize> {
    let length = object.bytes.len();
    let tail = object.bytes.slice(length - object.footer_bytes..);
    let footer = Footer::parse(tail, length as u64, None)?;
    let (mut offset, mut bytes) = (0, 0);
    while let Some(plan) = footer.plan(offset, FETCH_BYTES)? {
        let pieces = plan.ranges().iter().map(|range| piece(object, range)).collect::<Result<_, _>>()?;
        let read = footer.decode(&plan, pieces, Codec::Fixed(Compression::None))?;
        bytes += bytes_of(&read.batches);
        offset = read.next_offset;
    }
    Ok(bytes)
}

fn piece(object: &Object, range: &Range<u64>) -> anyhow::Result<Bytes> {
    Ok(object.bytes.slice(usize::try_from(range.start)?..usize::try_from(range.end)?))
}

/// Batches through zstd, each by itself.
#[derive(Default)]
pub struct RawCompressed(Vec<Vec<u8>>);

impl RawCompressed {
    /// Compresses each batch with zstd-1, with one context for all, in place of what was here.
    pub fn fill(&mut self, batches: &[RecordBatch]) -> anyhow::Result<()> {
        let mut codec = zstd::bulk::Compressor::new(LEVEL)?;
        self.0.resize_with(batches.len(), Vec::new);
        for (compressed, batch) in self.0.iter_mut().zip(batches) {
            compressed.clear();
            compressed.reserve(zstd::zstd_safe::compress_bound(batch.size_bytes()));
            codec.compress_to_buffer(&batch.bytes(), compressed).context("zstd")?;
        }
        Ok(())
    }

    /// Decompresses these batches again and sums them; answers the checksums, combined.
    pub fn read(&self, batches: &[RecordBatch]) -> anyhow::Result<u32> {
        let mut codec = zstd::bulk::Decompressor::new()?;
        let (mut bytes, mut checksums) = (Vec::new(), 0);
        for (compressed, batch) in self.0.iter().zip(batches) {
            bytes.clear();
            bytes.reserve(batch.size_bytes());
            codec.decompress_to_buffer(compressed, &mut bytes).context("zstd")?;
            checksums ^= crc32c::crc32c(&bytes);
        }
        Ok(checksums)
    }

    /// Size of all together.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

/// Size of batches together.
pub fn bytes_of(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::size_bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::{Content, Size, partition};

    #[test]
    fn every_byte_comes_back_either_way() -> anyhow::Result<()> {
        for content in [Content::Events(Size::Small), Content::Events(Size::Large), Content::Noise] {
            let batches = partition(content, 1 << 20)?;
            let object = seal(&batches, Vec::new())?;
            assert_eq!(fetch_all(&object)?, bytes_of(&batches), "{content:?}");
            let again = seal(&batches, object.into_memory())?;
            assert_eq!(fetch_all(&again)?, bytes_of(&batches), "{content:?}");
            let mut compressed = RawCompressed::default();
            compressed.fill(&batches)?;
            let expected = batches.iter().fold(0, |all, batch| all ^ crc32c::crc32c(&batch.bytes()));
            assert_eq!(compressed.read(&batches)?, expected, "{content:?}");
        }
        Ok(())
    }
}
