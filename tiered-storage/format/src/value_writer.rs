//! The `value` column while an object is written: values go from the record batch into a page, and from the page,
//! compressed, into the column chunk. Most of the bytes of an object go this way, so nothing else touches them.

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::page_index::offset_index::{OffsetIndexMetaData, PageLocation};
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;
use zstd::zstd_safe;

use crate::error::{Error, corrupt};
use crate::levels::LevelWriter;
use crate::page_header::PageHeader;
use crate::writer::ColumnCodec;

/// Largest number that a page's header can hold.
const MAX_PAGE_BYTES: usize = i32::MAX as usize;
/// What the levels of a page without nulls take at most: their length, a run's head, a level.
const LEVEL_ROOM_BYTES: usize = 4 + 5 + 1;

/// Fills one column chunk after the other.
pub(crate) struct ValueWriter {
    codec: ColumnCodec,
    page_bytes: usize,
    zstd: Option<Compressor<'static>>,
    levels: LevelWriter,
    /// The page being filled: room for its levels, then its values.
    page: Vec<u8>,
    compressed: Vec<u8>,
    chunk: Chunk,
}

/// The pages of one row group.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    /// Whether compressing made the first page at least a twentieth smaller; the others follow it.
    is_compressed: Option<bool>,
    raw_bytes: i64,
    rows: i64,
    pages: Vec<PageLocation>,
}

impl Chunk {
    fn push(&mut self, body: &[u8], raw_bytes: usize, rows: u32) -> Result<(), Error> {
        let start = self.bytes.len();
        PageHeader::plain(raw_bytes, body.len(), rows).put(&mut self.bytes);
        self.raw_bytes += (self.bytes.len() - start + raw_bytes) as i64;
        self.bytes.extend_from_slice(body);
        let size =
            i32::try_from(self.bytes.len() - start).map_err(|_| corrupt("a page is larger than 2 GiB"))?;
        self.pages.push(PageLocation {
            offset: start as i64,
            compressed_page_size: size,
            first_row_index: self.rows,
        });
        self.rows += i64::from(rows);
        Ok(())
    }
}

impl ValueWriter {
    /// A writer of pages of about this size.
    pub(crate) fn new(codec: ColumnCodec, page_bytes: usize) -> Result<Self, Error> {
        let zstd = match codec {
            ColumnCodec::Zstd => Some(Compressor::new(ZstdLevel::default().compression_level())?),
            ColumnCodec::Lz4 | ColumnCodec::None => None,
        };
        Ok(ValueWriter {
            codec,
            page_bytes,
            zstd,
            levels: LevelWriter::default(),
            page: vec![0; LEVEL_ROOM_BYTES],
            compressed: Vec::new(),
            chunk: Chunk::default(),
        })
    }

    /// Adds a row's value. A page is closed before it would become larger than asked, if that is possible.
    pub(crate) fn push(&mut self, value: Option<&[u8]>) -> Result<(), Error> {
        let bytes = value.map_or(0, |value| value.len().saturating_add(size_of::<u32>()));
        if self.levels.count() > 0 && self.page.len().saturating_add(bytes) > self.page_bytes {
            self.close_page()?;
        }
        self.levels.push(value.is_some());
        if let Some(value) = value {
            let len = u32::try_from(value.len()).map_err(|_| corrupt("a value is larger than 4 GiB"))?;
            self.page.extend_from_slice(&len.to_le_bytes());
            self.page.extend_from_slice(value);
        }
        // Nulls take no room, but a page of nothing else has to end, too.
        if self.levels.count() as usize >= self.page_bytes.max(8) {
            self.close_page()?;
        }
        Ok(())
    }

    fn close_page(&mut self) -> Result<(), Error> {
        let rows = self.levels.count();
        if rows == 0 {
            return Ok(());
        }
        let mut levels = Vec::new();
        self.levels.take(&mut levels);
        // Values without nulls have levels of a few bytes, and stay where they are.
        let unused = 0..LEVEL_ROOM_BYTES.saturating_sub(levels.len());
        let start = unused.end;
        self.page.splice(start..LEVEL_ROOM_BYTES, levels);
        let raw_bytes = self.page.len() - start;
        if raw_bytes > MAX_PAGE_BYTES {
            return Err(corrupt("a page is larger than 2 GiB"));
        }
        let is_compressed = self.compress_page(start)?;
        let plain = self.page.get(start..).unwrap_or_default();
        let body = if is_compressed { &self.compressed } else { plain };
        self.chunk.push(body, raw_bytes, rows)?;
        self.page.truncate(LEVEL_ROOM_BYTES);
        Ok(())
    }

    /// Compresses the page if that is worth while in this chunk.
    fn compress_page(&mut self, start: usize) -> Result<bool, Error> {
        if self.codec == ColumnCodec::None || self.chunk.is_compressed == Some(false) {
            return Ok(false);
        }
        let plain = self.page.get(start..).unwrap_or_default();
        self.compressed.clear();
        match &mut self.zstd {
            Some(zstd) => {
                self.compressed.reserve(zstd_safe::compress_bound(plain.len()));
                zstd.compress_to_buffer(plain, &mut self.compressed)?;
            }
            None => {
                self.compressed.resize(lz4_flex::block::get_maximum_output_size(plain.len()), 0);
                let len = lz4_flex::block::compress_into(plain, &mut self.compressed)
                    .map_err(|error| corrupt(format!("lz4: {error}")))?;
                self.compressed.truncate(len);
            }
        }
        let pays = self.compressed.len() < plain.len() - plain.len() / 20;
        Ok(*self.chunk.is_compressed.get_or_insert(pays))
    }

    /// Ends the column chunk; gives its bytes and what the file has to know of them. The bytes may come back to be
    /// used again, see [`reuse`](ValueWriter::reuse).
    pub(crate) fn close_chunk(
        &mut self,
        column: ColumnDescPtr,
    ) -> Result<(Vec<u8>, ColumnCloseResult), Error> {
        self.close_page()?;
        let chunk = std::mem::take(&mut self.chunk);
        let codec = match chunk.is_compressed {
            Some(true) => self.codec.to_parquet(),
            _ => Compression::UNCOMPRESSED,
        };
        let metadata = ColumnChunkMetaData::builder(column)
            .set_compression(codec)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE])
            .set_num_values(chunk.rows)
            .set_total_compressed_size(chunk.bytes.len() as i64)
            .set_total_uncompressed_size(chunk.raw_bytes)
            .set_data_page_offset(0)
            .build()?;
        let pages =
            OffsetIndexMetaData { page_locations: chunk.pages, unencoded_byte_array_data_bytes: None };
        let closed = ColumnCloseResult {
            bytes_written: chunk.bytes.len() as u64,
            rows_written: chunk.rows.unsigned_abs(),
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(pages),
        };
        Ok((chunk.bytes, closed))
    }

    /// Takes back memory of a chunk, for the next one.
    pub(crate) fn reuse(&mut self, mut bytes: Vec<u8>) {
        bytes.clear();
        self.chunk.bytes = bytes;
    }
}
