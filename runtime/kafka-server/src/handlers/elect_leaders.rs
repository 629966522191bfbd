//! ElectLeaders, as one broker answers it: it leads every partition already, the preferred way.

use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};

use super::text;
use crate::codes;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: ElectLeadersRequest) -> ElectLeadersResponse {
    // Kafka answers "all partitions" with those that got another leader: none.
    let asked = request.topic_partitions.unwrap_or_default().into_iter();
    let results = asked.map(|asked| {
        let topic = call.broker().topic(&asked.topic);
        let exists = |partition| topic.as_ref().is_some_and(|topic| topic.placement(partition).is_some());
        let results = asked.partitions.into_iter().map(|partition| {
            let (code, message) = if exists(partition) {
                (codes::ELECTION_NOT_NEEDED, "the partition has its preferred leader")
            } else {
                (codes::UNKNOWN_TOPIC_OR_PARTITION, "the partition does not exist")
            };
            let result = PartitionResult::default().with_partition_id(partition);
            result.with_error_code(code).with_error_message(Some(text(message)))
        });
        let results = results.collect();
        ReplicaElectionResult::default().with_topic(asked.topic).with_partition_result(results)
    });
    ElectLeadersResponse::default().with_replica_election_results(results.collect())
}
