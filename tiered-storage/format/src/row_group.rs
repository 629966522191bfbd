//! One open row group: column writers that hold encoded pages in memory until it is closed.
//!
//! Page size in rows and compression are chosen anew for every row group, from its first rows.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::BinaryViewArray;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, TypePtr};

use crate::error::{Error, corrupt};
use crate::row_buffer::{RowBuffer, Rows, WRITE_BATCH_ROWS};
use crate::schema::arrow_schema;
use crate::writer::{ColumnCodec, WriterOptions};

/// A page of values is closed at this many pages' worth of bytes whatever its row count.
const PAGE_BYTES_SLACK: usize = 4;
/// How much of the values is compressed to find out whether it is worth while.
const SAMPLE_BYTES: usize = 64 << 10;

/// The Parquet schema of every object.
pub(crate) fn parquet_schema() -> Result<TypePtr, Error> {
    Ok(ArrowSchemaConverter::new().schema_root("records").convert(&arrow_schema())?.root_schema_ptr())
}

/// Properties that hold for the file as a whole.
pub(crate) fn file_properties() -> WriterProperties {
    WriterProperties::builder().set_created_by(format!("tidemill {}", env!("CARGO_PKG_VERSION"))).build()
}

fn group_properties(
    rows_per_page: usize,
    page_bytes: usize,
    codec: Compression,
    value: Compression,
) -> WriterProperties {
    let path = |parts: &[&str]| ColumnPath::new(parts.iter().map(|&part| part.to_owned()).collect());
    let mut builder = WriterProperties::builder()
        .set_compression(codec)
        .set_column_compression(path(&["value"]), value)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_data_page_size_limit(page_bytes.saturating_mul(PAGE_BYTES_SLACK))
        .set_data_page_row_count_limit(rows_per_page)
        .set_write_batch_size(WRITE_BATCH_ROWS);
    for column in ["partition", "offset", "timestamp"] {
        builder = builder
            .set_column_encoding(path(&[column]), Encoding::DELTA_BINARY_PACKED)
            .set_column_statistics_enabled(path(&[column]), EnabledStatistics::Page);
    }
    let repetitive: [&[&str]; 3] =
        [&["key"], &["headers", "list", "element", "key"], &["headers", "list", "element", "value"]];
    for column in repetitive {
        builder = builder.set_column_dictionary_enabled(path(column), true);
    }
    builder.build()
}

/// Whether zstd makes the values at least a twentieth smaller.
fn compresses(values: &BinaryViewArray) -> Result<bool, Error> {
    let sample = RowBuffer::sample(values, SAMPLE_BYTES);
    let compressed = zstd::bulk::compress(&sample, 1)?;
    Ok(compressed.len() < sample.len() - sample.len() / 20)
}

/// A row group being filled.
pub(crate) struct RowGroup {
    schema: SchemaRef,
    writers: Vec<ArrowColumnWriter>,
    raw_bytes: usize,
}

impl RowGroup {
    /// Opens a row group fit for rows like these.
    pub(crate) fn open(options: &WriterOptions, rows: &Rows) -> Result<Self, Error> {
        let schema = arrow_schema();
        let mean_row = rows.raw_bytes / rows.rows.max(1);
        let rows_per_page = (options.page_bytes / mean_row.max(1)).max(1);
        let codec = options.codec.to_parquet();
        let value = match options.codec {
            ColumnCodec::None => codec,
            _ if compresses(&rows.value)? => codec,
            _ => Compression::UNCOMPRESSED,
        };
        let properties = group_properties(rows_per_page, options.page_bytes, codec, value);
        // The factory takes its properties from a file writer, and those of a file are fixed.
        let template = SerializedFileWriter::new(io::sink(), parquet_schema()?, Arc::new(properties))?;
        let factory = ArrowRowGroupWriterFactory::new(&template, Arc::clone(&schema));
        Ok(RowGroup { schema, writers: factory.create_column_writers(0)?, raw_bytes: 0 })
    }

    /// Raw bytes in it.
    pub(crate) fn raw_bytes(&self) -> usize {
        self.raw_bytes
    }

    /// Encodes rows.
    pub(crate) fn write(&mut self, rows: &Rows) -> Result<(), Error> {
        let mut writers = self.writers.iter_mut();
        for (field, column) in self.schema.fields().iter().zip(&rows.columns) {
            for leaf in compute_leaves(field, column)? {
                writers.next().ok_or_else(|| corrupt("more columns than the schema has"))?.write(&leaf)?;
            }
        }
        self.raw_bytes += rows.raw_bytes;
        Ok(())
    }

    /// Writes the row group to the file.
    pub(crate) fn close<W: Write + Send>(self, file: &mut SerializedFileWriter<W>) -> Result<(), Error> {
        let mut group = file.next_row_group()?;
        for writer in self.writers {
            writer.close()?.append_to_row_group(&mut group)?;
        }
        group.close()?;
        Ok(())
    }
}
