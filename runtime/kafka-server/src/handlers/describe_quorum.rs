//! DescribeQuorum: who keeps the metadata. Here that is the metadata journal, of which this broker is
//! the only voter; it is shown under the name of Kafka's metadata log.

use kafka_protocol::messages::describe_quorum_request;
use kafka_protocol::messages::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use kafka_protocol::messages::{BrokerId, DescribeQuorumRequest, DescribeQuorumResponse};

use super::text;
use crate::codes;
use crate::service::Call;

const METADATA_TOPIC: &str = "__cluster_metadata";
/// The first version that says where the nodes are.
const NAMES_NODES: i16 = 2;

pub(crate) async fn handle(call: &Call<'_>, request: DescribeQuorumRequest) -> DescribeQuorumResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| partition(call, topic, asked.partition_index));
        TopicData::default().with_topic_name(topic.topic_name.clone()).with_partitions(partitions.collect())
    });
    let response = DescribeQuorumResponse::default().with_error_message(None).with_topics(topics.collect());
    if call.version() < NAMES_NODES {
        return response;
    }
    let listener = Listener::default()
        .with_name(text("PLAINTEXT"))
        .with_host(text(&call.service.host))
        .with_port(u16::try_from(call.service.port).unwrap_or(0));
    let node = Node::default().with_node_id(BrokerId(call.node_id())).with_listeners(vec![listener]);
    response.with_nodes(vec![node])
}

fn partition(call: &Call<'_>, topic: &describe_quorum_request::TopicData, index: i32) -> PartitionData {
    let partition = PartitionData::default().with_partition_index(index).with_error_message(None);
    if topic.topic_name.as_str() != METADATA_TOPIC || index != 0 {
        return partition.with_error_code(codes::UNKNOWN_TOPIC_OR_PARTITION);
    }
    let quorum = call.broker().metadata_quorum();
    let voter = ReplicaState::default()
        .with_replica_id(BrokerId(call.node_id()))
        .with_log_end_offset(quorum.log_end)
        .with_last_fetch_timestamp(quorum.now_ms)
        .with_last_caught_up_timestamp(quorum.now_ms);
    partition
        .with_leader_id(BrokerId(quorum.leader))
        .with_leader_epoch(quorum.epoch)
        .with_high_watermark(quorum.high_watermark)
        .with_current_voters(vec![voter])
}
