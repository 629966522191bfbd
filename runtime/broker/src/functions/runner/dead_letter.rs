//! Records that a function could not process, kept aside with the reason.

use tidemill_records::{BatchBuilder, BatchFacts, Compression, Records};
use tidemill_state::FunctionMetadata;

use super::outputs::{Routed, to};
use super::slice::Slice;
use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::partition::Partition;
use crate::topics::TopicRef;

/// Longest reason kept in a header.
const MAX_REASON_BYTES: usize = 2048;

/// The topic for what a function could not process of an input.
pub(crate) fn dead_letter_topic(input: &str, function: &str) -> String {
    format!("{input}.{function}.dlq")
}

/// The one record of `slice` as it was, with headers that say where it came from and what happened.
pub(super) fn build(
    broker: &Broker,
    function: &FunctionMetadata,
    input: &Partition,
    slice: &Slice,
    why: &str,
) -> Result<Routed, Error> {
    let corrupt = |error: tidemill_records::Error| Error::new(ErrorKind::CorruptMessage, error.to_string());
    let record = Records::new(&slice.records, slice.count)
        .next()
        .ok_or_else(|| Error::new(ErrorKind::UnknownServerError, "no record is left"))?
        .map_err(corrupt)?;
    let topic = broker.find_topic(&TopicRef::from(dead_letter_topic(&input.topic.name, &function.name)))?;
    let offset = slice.base_offset + i64::from(record.offset_delta);
    let reason = why.get(..why.floor_char_boundary(MAX_REASON_BYTES)).unwrap_or(why);
    let added: [(&str, String); 6] = [
        ("tidemill.function", function.name.clone()),
        ("tidemill.function.version", function.version.to_string()),
        ("tidemill.topic", input.topic.name.clone()),
        ("tidemill.partition", input.id.partition.to_string()),
        ("tidemill.offset", offset.to_string()),
        ("tidemill.error", reason.to_owned()),
    ];
    let added = added.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes())));
    let timestamp = slice.log_append_time.unwrap_or(slice.base_timestamp + record.timestamp_delta);
    let mut builder = BatchBuilder::new(BatchFacts { base_timestamp: timestamp, ..BatchFacts::default() });
    let headers: Vec<_> = record.headers.iter().chain(added).collect();
    builder.push_parts(0, 0, record.key, record.value, headers.iter().copied());
    let batch = builder.build(topic.config.compression.unwrap_or(Compression::None)).map_err(corrupt)?;
    let partition = input.id.partition % topic.partition_count().max(1);
    to(&topic, partition, batch).map_err(|why| Error::new(ErrorKind::UnknownServerError, why))
}
