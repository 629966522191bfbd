//! One open row group: column writers that hold encoded pages in memory until it is closed.
//!
//! Rows of a page, and whether keys get a dictionary, are chosen anew for every row group, from its first rows.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::{Array, BinaryViewArray};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnDescPtr, ColumnPath, TypePtr};

use crate::error::{Error, corrupt};
use crate::row_buffer::{Rows, WRITE_BATCH_ROWS};
use crate::schema::{VALUE, arrow_schema, leaf};
use crate::value_writer::ValueWriter;
use crate::writer::WriterOptions;

/// A page is closed at this many pages' worth of bytes whatever its row count.
const PAGE_BYTES_SLACK: usize = 4;
/// Pages of all columns but `value` have the rows of so many of its pages: they are much smaller.
const VALUE_PAGES: usize = 4;
/// Rows of a page at most, as the Parquet format recommends.
const MAX_PAGE_ROWS: usize = 20_000;
/// How many keys are looked at to find out whether they repeat.
const SAMPLE_KEYS: usize = 1024;
/// A dictionary is worth while where each key occurs so often; a reader has to go through all of it for every read.
const KEY_OCCURS: usize = 8;

/// The Parquet schema of every object.
pub(crate) fn parquet_schema() -> Result<TypePtr, Error> {
    Ok(ArrowSchemaConverter::new().schema_root("records").convert(&arrow_schema())?.root_schema_ptr())
}

/// Properties that hold for the file as a whole.
pub(crate) fn file_properties() -> WriterProperties {
    WriterProperties::builder().set_created_by(format!("tidemill {}", env!("CARGO_PKG_VERSION"))).build()
}

fn group_properties(options: &WriterOptions, rows: &Rows) -> WriterProperties {
    let mean_row = rows.raw_bytes / rows.rows.max(1);
    let value_page_rows = options.page_bytes / mean_row.max(1);
    let page_rows = value_page_rows.saturating_mul(VALUE_PAGES).clamp(1, MAX_PAGE_ROWS);
    let path = |parts: &[&str]| ColumnPath::new(parts.iter().map(|&part| part.to_owned()).collect());
    let mut builder = WriterProperties::builder()
        .set_compression(options.codec.to_parquet())
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_data_page_size_limit(options.page_bytes.saturating_mul(PAGE_BYTES_SLACK))
        .set_data_page_row_count_limit(page_rows)
        .set_write_batch_size(WRITE_BATCH_ROWS);
    for column in ["partition", "offset", "timestamp"] {
        builder = builder
            .set_column_encoding(path(&[column]), Encoding::DELTA_BINARY_PACKED)
            .set_column_statistics_enabled(path(&[column]), EnabledStatistics::Page);
    }
    // Delta encoding leaves nothing of these; what would be compressed is a page of some 30 bytes.
    for column in ["partition", "offset"] {
        builder = builder.set_column_compression(path(&[column]), Compression::UNCOMPRESSED);
    }
    for column in ["key", "value"] {
        let header = path(&["headers", "list", "element", column]);
        builder = builder.set_column_dictionary_enabled(header.clone(), true);
        if !rows.have_headers {
            builder = builder.set_column_compression(header, Compression::UNCOMPRESSED);
        }
    }
    if rows.key.null_count() == rows.rows {
        builder = builder.set_column_compression(path(&["key"]), Compression::UNCOMPRESSED);
    }
    builder.set_column_dictionary_enabled(path(&["key"]), repeat(&rows.key)).build()
}

/// Whether the first keys are mostly the same few.
fn repeat(keys: &BinaryViewArray) -> bool {
    let sample = || keys.iter().flatten().take(SAMPLE_KEYS);
    let different: HashSet<&[u8]> = sample().collect();
    different.len() <= sample().count() / KEY_OCCURS
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
        let properties = group_properties(options, rows);
        // The factory takes its properties from a file writer, and those of a file are fixed.
        let template = SerializedFileWriter::new(io::sink(), parquet_schema()?, Arc::new(properties))?;
        let factory = ArrowRowGroupWriterFactory::new(&template, Arc::clone(&schema));
        let mut writers = factory.create_column_writers(0)?;
        // Values have a writer of their own.
        writers.remove(leaf::VALUE);
        Ok(RowGroup { schema, writers, raw_bytes: 0 })
    }

    /// Raw bytes in it.
    pub(crate) fn raw_bytes(&self) -> usize {
        self.raw_bytes
    }

    /// Encodes rows.
    pub(crate) fn write(&mut self, rows: &Rows) -> Result<(), Error> {
        let mut writers = self.writers.iter_mut();
        let fields = self.schema.fields().iter().filter(|field| field.name() != VALUE);
        for (field, column) in fields.zip(&rows.columns) {
            for leaf in compute_leaves(field, column)? {
                writers.next().ok_or_else(|| corrupt("more columns than the schema has"))?.write(&leaf)?;
            }
        }
        self.raw_bytes += rows.raw_bytes;
        Ok(())
    }

    /// Writes the row group to the file, with the values in their place among the columns.
    pub(crate) fn close<W: Write + Send>(
        self,
        values: &mut ValueWriter,
        file: &mut SerializedFileWriter<W>,
    ) -> Result<(), Error> {
        let column = file.schema_descr().column(leaf::VALUE);
        let mut group = file.next_row_group()?;
        let mut writers = self.writers.into_iter();
        for writer in writers.by_ref().take(leaf::VALUE) {
            writer.close()?.append_to_row_group(&mut group)?;
        }
        append_values(values, column, &mut group)?;
        for writer in writers {
            writer.close()?.append_to_row_group(&mut group)?;
        }
        group.close()?;
        Ok(())
    }
}

fn append_values<W: Write + Send>(
    values: &mut ValueWriter,
    column: ColumnDescPtr,
    group: &mut SerializedRowGroupWriter<'_, W>,
) -> Result<(), Error> {
    let (bytes, closed) = values.close_chunk(column)?;
    let bytes = Bytes::from(bytes);
    group.append_column(&bytes, closed)?;
    values.reuse(bytes.into());
    Ok(())
}
