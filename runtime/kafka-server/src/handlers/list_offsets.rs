//! ListOffsets: by time, and by Kafka's special times.

use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use tidemill_broker::{Error, ErrorKind, Isolation, ListedOffset, OffsetSpec, TopicRef};

use super::fetch::isolation;
use crate::codes;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let isolation = isolation(request.isolation_level);
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let reference = TopicRef::from(&**topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            partitions.push(one(call, &reference, partition, isolation).await);
        }
        topics.push(ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions));
    }
    ListOffsetsResponse::default().with_topics(topics)
}

async fn one(
    call: &Call<'_>,
    topic: &TopicRef,
    partition: &ListOffsetsPartition,
    isolation: Isolation,
) -> ListOffsetsPartitionResponse {
    let index = partition.partition_index;
    let listed = match spec(call.version(), partition.timestamp) {
        Ok(spec) => {
            call.broker().list_offset(topic, index, spec, isolation, partition.current_leader_epoch).await
        }
        Err(error) => Err(error),
    };
    let (code, listed) = match listed {
        Ok(listed) => (codes::NONE, listed),
        Err(error) => {
            (error.kind.kafka_code(), ListedOffset { offset: -1, timestamp_ms: -1, leader_epoch: -1 })
        }
    };
    let response = ListOffsetsPartitionResponse::default()
        .with_partition_index(index)
        .with_error_code(code)
        .with_timestamp(listed.timestamp_ms)
        .with_offset(listed.offset);
    if call.version() >= 4 { response.with_leader_epoch(listed.leader_epoch) } else { response }
}

/// What a timestamp stands for in a version.
fn spec(version: i16, timestamp: i64) -> Result<OffsetSpec, Error> {
    match (timestamp, version) {
        (-1, _) => Ok(OffsetSpec::Latest),
        (-2, _) => Ok(OffsetSpec::Earliest),
        (-3, 7..) => Ok(OffsetSpec::MaxTimestamp),
        (-4, 8..) => Ok(OffsetSpec::EarliestLocal),
        (-5, 9..) => Ok(OffsetSpec::LatestTiered),
        (0.., _) => Ok(OffsetSpec::Timestamp(timestamp)),
        _ => Err(Error::new(ErrorKind::InvalidRequest, format!("timestamp {timestamp} stands for nothing"))),
    }
}
