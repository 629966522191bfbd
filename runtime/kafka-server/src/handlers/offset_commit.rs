//! OffsetCommit.

use std::sync::Arc;

use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use tidemill_broker::Topic;
use tidemill_groups::{CommitRequest, CommittedOffset, OffsetKey};

use super::optional;
use crate::codes;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let mut offsets = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in &request.topics {
        let topic = call.broker().topic(&asked.name);
        let mut results = Vec::with_capacity(asked.partitions.len());
        for partition in &asked.partitions {
            let code = match check(call, topic.as_ref(), partition) {
                Ok(offset) => {
                    offsets.push(offset);
                    codes::NONE
                }
                Err(code) => code,
            };
            let result =
                OffsetCommitResponsePartition::default().with_partition_index(partition.partition_index);
            results.push(result.with_error_code(code));
        }
        topics.push(
            OffsetCommitResponseTopic::default().with_name(asked.name.clone()).with_partitions(results),
        );
    }
    let commit = CommitRequest {
        group_id: request.group_id.to_string(),
        generation: request.generation_id_or_member_epoch,
        member_id: request.member_id.to_string(),
        instance_id: optional(request.group_instance_id.as_ref()),
        offsets,
    };
    if let Err(error) = call.groups().commit_offsets(commit).await {
        let code = codes::of_group(&error);
        let accepted = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        accepted.filter(|partition| partition.error_code == codes::NONE).for_each(|p| p.error_code = code);
    }
    OffsetCommitResponse::default().with_topics(topics)
}

fn check(
    call: &Call<'_>,
    topic: Option<&Arc<Topic>>,
    partition: &OffsetCommitRequestPartition,
) -> Result<CommittedOffset, i16> {
    let topic = topic
        .filter(|topic| topic.placement(partition.partition_index).is_some())
        .ok_or(codes::UNKNOWN_TOPIC_OR_PARTITION)?;
    let metadata = optional(partition.committed_metadata.as_ref()).unwrap_or_default();
    if metadata.len() > call.groups().options().offset_metadata_max_bytes {
        return Err(codes::OFFSET_METADATA_TOO_LARGE);
    }
    Ok(CommittedOffset {
        key: OffsetKey { topic_id: topic.id, partition: partition.partition_index },
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata,
    })
}
