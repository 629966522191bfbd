//! OffsetCommit.

use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use tidemill_groups::CommitRequest;

use super::asked_offsets::{Asked, Checked};
use super::optional;
use crate::codes;
use crate::service::Call;

/// As long as the broker keeps other offsets.
const NOT_SAID: i64 = -1;

pub(crate) async fn handle(call: &Call<'_>, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let mut checked = Checked::default();
    for topic in &request.topics {
        let partitions = topic.partitions.iter().map(|partition| Asked {
            partition: partition.partition_index,
            offset: partition.committed_offset,
            leader_epoch: partition.committed_leader_epoch,
            metadata: partition.committed_metadata.as_ref(),
        });
        checked.add(call, &topic.name, partitions);
    }
    let commit = CommitRequest {
        group_id: request.group_id.to_string(),
        generation: request.generation_id_or_member_epoch,
        member_id: request.member_id.to_string(),
        instance_id: optional(request.group_instance_id.as_ref()),
        offsets: std::mem::take(&mut checked.offsets),
        // Fields that a version lacks have their default, which says the same.
        retention_ms: Some(request.retention_time_ms).filter(|kept_ms| *kept_ms != NOT_SAID),
    };
    let refusal = call.groups().commit_offsets(commit).await.err().map(|error| codes::of_group(&error));
    let topics = checked.codes(refusal).map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(partition, code)| {
            OffsetCommitResponsePartition::default().with_partition_index(partition).with_error_code(code)
        });
        OffsetCommitResponseTopic::default().with_name(name).with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}
