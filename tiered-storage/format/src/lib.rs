//! The archive object: a lossless Parquet encoding of Kafka record batches.
//!
//! One object holds a run of one partition's offsets. Its columns are the committed records, as any
//! Parquet reader sees them; the batch table and the side stream in the file body hold the rest, so
//! that a Kafka consumer gets back every field it could see before: batch boundaries, producer ids
//! and sequences, leader epochs, control batches, aborted data, gaps. `docs/formats/archive-object.md`
//! describes the bytes.
//!
//! [`ObjectWriter`] takes batches in offset order and writes to anything that is
//! [`Write`](std::io::Write), holding one row group in memory. Reading has no I/O in it: a [`Footer`]
//! is parsed from the object's last bytes, [`Footer::plan`] says which byte ranges a fetch needs, and
//! [`Footer::decode`] makes record batches of them, each block checked against its checksum.
//!
//! ```
//! use tidemill_archive_format::{Codec, Disposition, Footer, ObjectFacts, ObjectWriter, WriterOptions};
//! use tidemill_records::{BatchBuilder, BatchFacts, Compression};
//!
//! let batch = BatchBuilder::new(BatchFacts::default())
//!     .push(0, 0, Some(b"key"), Some(b"value"), &[])
//!     .build(Compression::Zstd)?;
//! let facts = ObjectFacts { topic: "flights".into(), topic_id: uuid::Uuid::nil(), partition: 0 };
//! let mut object = Vec::new();
//! let mut writer = ObjectWriter::new(facts, WriterOptions::default(), &mut object)?;
//! writer.push(&batch, Disposition::Committed)?;
//! let summary = writer.finish()?;
//!
//! let tail = object[object.len() - summary.footer_bytes as usize..].to_vec();
//! let footer = Footer::parse(tail.into(), object.len() as u64, Some(summary.crc32c))?;
//! let plan = footer.plan(0, 1 << 20)?.ok_or("nothing there")?;
//! let fetch = |range: &std::ops::Range<u64>| object[range.start as usize..range.end as usize].to_vec();
//! let bytes = plan.ranges().iter().map(|range| fetch(range).into()).collect();
//! let read = footer.decode(&plan, bytes, Codec::AsProduced)?;
//! assert_eq!(read.batches[0].bytes(), batch.bytes());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch_encoder;
mod bytes_reader;
mod checked_write;
mod decode;
mod error;
mod footer;
mod header_reader;
mod hybrid;
mod levels;
mod page_codec;
mod page_cursor;
mod page_header;
mod plan;
mod row_buffer;
mod row_group;
mod row_reader;
mod scalar_reader;
pub mod schema;
mod side_stream;
mod sparse_file;
mod summary;
mod table;
mod value_writer;
mod varint;
mod writer;

pub use decode::{AbortedTransaction, Codec, Decoded, first_at_or_after};
pub use error::Error;
pub use footer::Footer;
pub use plan::Plan;
pub use summary::ObjectSummary;
pub use table::{BLOCK_BYTES, FORMAT_VERSION};
pub use writer::{ColumnCodec, Disposition, ObjectFacts, ObjectWriter, WriterOptions};
