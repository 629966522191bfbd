//! AlterPartitionReassignments, as one broker answers it: a partition can be moved to where it is,
//! and nowhere else.

use kafka_protocol::messages::alter_partition_reassignments_request::ReassignablePartition;
use kafka_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_protocol::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};
use tidemill_broker::Topic;

use super::text;
use crate::codes;
use crate::service::Call;

pub(crate) async fn handle(
    call: &Call<'_>,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let allows_change = request.allow_replication_factor_change;
    let topics = request.topics.into_iter().map(|asked| {
        let topic = call.broker().topic(&asked.name);
        let results = asked.partitions.iter().map(|partition| {
            let result =
                ReassignablePartitionResponse::default().with_partition_index(partition.partition_index);
            match reassign(call.node_id(), topic.as_deref(), partition) {
                Ok(()) => result.with_error_message(None),
                Err((code, why)) => result.with_error_code(code).with_error_message(Some(text(why))),
            }
        });
        let results = results.collect();
        ReassignableTopicResponse::default().with_name(asked.name).with_partitions(results)
    });
    AlterPartitionReassignmentsResponse::default()
        .with_error_message(None)
        .with_allow_replication_factor_change(call.version() < 1 || allows_change)
        .with_responses(topics.collect())
}

fn reassign(node: i32, topic: Option<&Topic>, asked: &ReassignablePartition) -> Result<(), (i16, String)> {
    if topic.is_none_or(|topic| topic.placement(asked.partition_index).is_none()) {
        return Err((codes::UNKNOWN_TOPIC_OR_PARTITION, "the partition does not exist".to_owned()));
    }
    match asked.replicas.as_deref() {
        None => Err((codes::NO_REASSIGNMENT_IN_PROGRESS, "the partition is not being moved".to_owned())),
        Some([only]) if only.0 == node => Ok(()),
        Some(_) => Err((
            codes::INVALID_REPLICA_ASSIGNMENT,
            format!("broker {node} is the only one a partition can be on"),
        )),
    }
}
