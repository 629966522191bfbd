//! CreatePartitions.

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use tidemill_broker::{Error, ErrorKind};

use super::text;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let result = CreatePartitionsTopicResult::default().with_name(topic.name.clone());
        results.push(match create(call, topic, request.validate_only).await {
            Ok(()) => result,
            Err(error) => {
                result.with_error_code(error.kind.kafka_code()).with_error_message(Some(text(error.message)))
            }
        });
    }
    CreatePartitionsResponse::default().with_results(results)
}

async fn create(call: &Call<'_>, topic: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Error> {
    let node = call.node_id();
    let mut assignments = topic.assignments.iter().flatten();
    if !assignments.all(|a| matches!(a.broker_ids.as_slice(), [id] if id.0 == node)) {
        let message = format!("partitions can be assigned to broker {node} only");
        return Err(Error::new(ErrorKind::InvalidReplicaAssignment, message));
    }
    call.broker().create_partitions(&topic.name, topic.count, validate_only).await?;
    Ok(())
}
