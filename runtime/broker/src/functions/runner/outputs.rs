//! What a guest returned, as record batches for the partitions they belong to.

use bytes::Bytes;
use tidemill_functions::Output;
use tidemill_records::{
    BatchBuilder, BatchFacts, Compression, RecordBatch, Records, TimestampType, batch_from_section,
};
use tidemill_state::{FunctionMetadata, PartitionId};

use crate::broker::Broker;
use crate::partition::Partition;
use crate::topics::{Topic, TopicRef};

/// A batch and where it goes.
#[derive(Clone, Debug)]
pub(super) struct Routed {
    pub(super) partition: PartitionId,
    /// The journal that the partition lives on.
    pub(super) journal: u32,
    pub(super) batch: RecordBatch,
}

/// Turns outputs into batches. An error is the function's fault and says what is wrong.
pub(super) fn route(
    broker: &Broker,
    function: &FunctionMetadata,
    input: &Partition,
    outputs: Vec<Output>,
) -> Result<Vec<Routed>, String> {
    let mut routed = Vec::with_capacity(outputs.len());
    for output in outputs.into_iter().filter(|output| output.record_count > 0) {
        let index = usize::try_from(output.output).unwrap_or(usize::MAX);
        let name = function.outputs.get(index).ok_or_else(|| {
            format!("it wrote to output {}, and is deployed with {}", output.output, function.outputs.len())
        })?;
        let topic = broker
            .find_topic(&TopicRef::from(name.as_str()))
            .map_err(|error| format!("its output: {error}"))?;
        let partition = match output.partition {
            Some(partition) => partition,
            None => input.id.partition % topic.partition_count().max(1),
        };
        for batch in batches(&topic, broker.clock.now_ms(), &output)? {
            routed.push(to(&topic, partition, batch)?);
        }
    }
    Ok(routed)
}

/// A batch for one partition of a topic.
pub(super) fn to(topic: &Topic, partition: i32, batch: RecordBatch) -> Result<Routed, String> {
    let placement = topic
        .placement(partition)
        .ok_or_else(|| format!("topic {} has no partition {partition}", topic.name))?;
    Ok(Routed { partition: PartitionId { topic_id: topic.id, partition }, journal: placement.journal, batch })
}

/// One batch, as the guest encoded it, or several where one would be larger than the topic takes.
fn batches(topic: &Topic, now_ms: i64, output: &Output) -> Result<Vec<RecordBatch>, String> {
    let facts = facts(topic, now_ms, output);
    let compression = topic.config.compression.unwrap_or(Compression::None);
    let whole =
        batch_from_section(&facts, &output.records, compression).map_err(|error| error.to_string())?;
    let limit = usize::try_from(topic.config.max_message_bytes).unwrap_or(0);
    if whole.size_bytes() <= limit {
        return Ok(vec![whole]);
    }
    split(&facts, &output.records, output.record_count, compression, limit).map_err(|why| match why {
        Some(error) => error.to_string(),
        None => {
            format!("it wrote a record larger than the {limit} bytes of max.message.bytes of {}", topic.name)
        }
    })
}

fn facts(topic: &Topic, now_ms: i64, output: &Output) -> BatchFacts {
    let (timestamp_type, max_timestamp) = match topic.config.timestamp_type {
        TimestampType::CreateTime => (TimestampType::CreateTime, None),
        TimestampType::LogAppendTime => (TimestampType::LogAppendTime, Some(now_ms)),
    };
    BatchFacts {
        base_timestamp: output.base_timestamp,
        timestamp_type,
        max_timestamp,
        ..BatchFacts::default()
    }
}

/// Batches within the limit, before compression; an error without a cause means a single record is
/// too large.
fn split(
    facts: &BatchFacts,
    section: &Bytes,
    count: i32,
    compression: Compression,
    limit: usize,
) -> Result<Vec<RecordBatch>, Option<tidemill_records::Error>> {
    let mut batches = Vec::new();
    let mut builder = BatchBuilder::new(*facts);
    let room = limit.saturating_sub(tidemill_records::HEADER_BYTES);
    let mut before = section.len();
    let mut records = Records::new(section, count);
    while let Some(record) = records.next().transpose().map_err(Some)? {
        let record_bytes = before - records.rest().len();
        before = records.rest().len();
        // Deltas that begin anew at 0 can only make a record shorter.
        if builder.record_count() > 0 && builder.section_bytes() + record_bytes > room {
            batches.push(builder.build(compression).map_err(Some)?);
            builder = BatchBuilder::new(*facts);
        }
        let offset_delta = builder.record_count();
        builder.push_parts(
            offset_delta,
            record.timestamp_delta,
            record.key,
            record.value,
            record.headers.iter(),
        );
    }
    if builder.record_count() > 0 {
        batches.push(builder.build(compression).map_err(Some)?);
    }
    match batches.iter().all(|batch| batch.size_bytes() <= limit) {
        true => Ok(batches),
        false => Err(None),
    }
}
