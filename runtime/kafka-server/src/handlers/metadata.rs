//! Metadata: brokers, topics, partitions. Asking for a topic may create it.

use std::collections::HashSet;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse};
use tidemill_broker::{Error, Topic, TopicRef};

use super::{CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED, TOPIC_OPERATIONS, text, topic_name, uuid_text};
use crate::codes;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: MetadataRequest) -> MetadataResponse {
    let everything = match &request.topics {
        None => true,
        Some(topics) => call.version() == 0 && topics.is_empty(),
    };
    let mut topics = Vec::new();
    if everything {
        topics.extend(call.broker().topics().iter().map(|topic| describe(call, topic, &request)));
    } else {
        // A topic that is named a thousand times is answered once.
        let mut seen = HashSet::new();
        for asked in request.topics.iter().flatten() {
            if seen.insert((&asked.name, asked.topic_id)) {
                topics.push(one(call, asked, &request).await);
            }
        }
    }
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(call.node_id()))
        .with_host(text(&call.service.host))
        .with_port(call.service.port);
    let operations = (8..=10).contains(&call.version()) && request.include_cluster_authorized_operations;
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id((call.version() >= 2).then(|| uuid_text(call.broker().cluster_id())))
        .with_controller_id(BrokerId(if call.version() >= 1 { call.node_id() } else { -1 }))
        .with_cluster_authorized_operations(if operations {
            CLUSTER_OPERATIONS
        } else {
            OPERATIONS_NOT_ASKED
        })
        .with_topics(topics)
}

async fn one(
    call: &Call<'_>,
    asked: &MetadataRequestTopic,
    request: &MetadataRequest,
) -> MetadataResponseTopic {
    let found = match &asked.name {
        Some(name) if call.version() < 4 || request.allow_auto_topic_creation => {
            call.broker().topic_or_create(name).await
        }
        Some(name) => call.broker().find_topic(&TopicRef::from(&***name)),
        None => call.broker().find_topic(&TopicRef::from(asked.topic_id)),
    };
    match found {
        Ok(topic) => describe(call, &topic, request),
        Err(error) => failed(call, asked, &error),
    }
}

fn failed(call: &Call<'_>, asked: &MetadataRequestTopic, error: &Error) -> MetadataResponseTopic {
    let code = error.kind.kafka_code();
    // A topic that is being created has no leader yet, in the words old clients know.
    let code = if code == codes::NOT_LEADER_OR_FOLLOWER { codes::LEADER_NOT_AVAILABLE } else { code };
    let name = match &asked.name {
        None if call.version() < 12 => Some(topic_name("")),
        name => name.clone(),
    };
    MetadataResponseTopic::default().with_error_code(code).with_name(name).with_topic_id(asked.topic_id)
}

fn describe(call: &Call<'_>, topic: &Topic, request: &MetadataRequest) -> MetadataResponseTopic {
    let node = BrokerId(call.node_id());
    let reference = TopicRef::from(topic.id);
    let partitions = (0..topic.partition_count()).map(|index| {
        let marks = call.broker().watermarks(&reference, index);
        let described = MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(node)
            .with_replica_nodes(vec![node])
            .with_isr_nodes(vec![node]);
        match marks {
            Ok(marks) if call.version() >= 7 => described.with_leader_epoch(marks.leader_epoch),
            Ok(_) => described,
            Err(_) => described.with_leader_id(BrokerId(-1)).with_error_code(codes::LEADER_NOT_AVAILABLE),
        }
    });
    let operations = call.version() >= 8 && request.include_topic_authorized_operations;
    MetadataResponseTopic::default()
        .with_name(Some(topic_name(&topic.name)))
        .with_topic_id(if call.version() >= 10 { topic.id } else { uuid::Uuid::nil() })
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(if operations { TOPIC_OPERATIONS } else { OPERATIONS_NOT_ASKED })
}
