//! Kafka v2 record batches: zero-copy views, codecs, validation, building.
//!
//! A [`RecordBatch`] is one whole batch as it stands on the wire, in one shared buffer, its header
//! parsed and its framing checked. It is cheap to clone and goes unchanged from socket to disk to
//! socket; only base offset and leader epoch, which the CRC does not cover, are patched in on the
//! way out. [`Records`] borrows the records of an uncompressed section. `docs/formats/record-batch.md`
//! describes the bytes.
//!
//! Everything here is pure: no I/O, no clock, no randomness. Every input is taken to be hostile:
//! no length or count is believed before the bytes behind it have been seen, and decompression
//! stops at a limit that the caller gives.
//!
//! ```
//! use tidemill_records::{BatchBuilder, BatchFacts, Compression, RecordBatch, Records};
//!
//! let facts = BatchFacts { base_timestamp: 1_700_000_000_000, ..BatchFacts::default() };
//! let batch = BatchBuilder::new(facts)
//!     .push(0, 0, Some(b"key"), Some(b"value"), &[(b"trace", Some(b"1")), (b"trace", None)])
//!     .push(1, 5, None, None, &[])
//!     .build(Compression::Zstd)?;
//!
//! let read = RecordBatch::parse(batch.bytes().clone())?;
//! read.verify_crc()?;
//! let section = read.uncompressed_records(1 << 20)?;
//! let records = Records::new(&section, read.record_count()).collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(records[0].key, Some(&b"key"[..]));
//! assert_eq!(records[0].headers.len(), 2);
//! assert_eq!(records[1].value, None);
//! # Ok::<(), tidemill_records::Error>(())
//! ```

mod batch;
mod builder;
mod compression;
pub mod control;
mod error;
mod header;
mod partitioner;
mod record;
mod section;
pub mod validate;
mod varint;

pub use batch::{RecordBatch, restamp_log_append_time};
pub use builder::{BatchBuilder, BatchFacts, batch_from_section, batch_from_section_at};
pub use compression::{Compression, Scratch};
pub use error::{Error, ErrorKind, RecordFault};
pub use header::{
    Attributes, BatchHeader, HEADER_BYTES, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TimestampType,
};
pub use partitioner::{murmur2, partition_for_key};
pub use record::{Header, Headers, HeadersIter, Record, Records};
pub use section::{SectionSummary, summarize_section};
pub use validate::{Limits, Validated, validate_produce};
