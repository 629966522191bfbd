//! OffsetForLeaderEpoch.

use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use tidemill_broker::TopicRef;

use crate::service::Call;

pub(crate) async fn handle(
    call: &Call<'_>,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let reference = TopicRef::from(&**topic.topic);
        let partitions = topic.partitions.iter().map(|asked| {
            let found = call.broker().offset_for_leader_epoch(
                &reference,
                asked.partition,
                asked.current_leader_epoch,
                asked.leader_epoch,
            );
            let response = EpochEndOffset::default().with_partition(asked.partition);
            match found {
                Ok(end) => response.with_leader_epoch(end.leader_epoch).with_end_offset(end.end_offset),
                Err(error) => response.with_error_code(error.kind.kafka_code()),
            }
        });
        OffsetForLeaderTopicResult::default().with_partitions(partitions.collect()).with_topic(topic.topic)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}
