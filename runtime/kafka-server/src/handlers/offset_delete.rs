//! OffsetDelete.

use std::collections::{HashMap, HashSet};

use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use tidemill_groups::OffsetKey;

use crate::codes;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let mut keys = Vec::new();
    for asked in &request.topics {
        let Some(topic) = call.broker().topic(&asked.name) else {
            continue;
        };
        let partitions = asked.partitions.iter().map(|p| p.partition_index);
        let known = partitions.filter(|partition| topic.placement(*partition).is_some());
        keys.extend(known.map(|partition| (topic.name.clone(), OffsetKey { topic_id: topic.id, partition })));
    }
    let spared = match call.groups().delete_offsets(&request.group_id, keys.clone()).await {
        Ok(spared) => spared,
        Err(error) => return OffsetDeleteResponse::default().with_error_code(codes::of_group(&error)),
    };
    let spared: HashSet<OffsetKey> = spared.into_iter().collect();
    let known: HashMap<(&str, i32), &OffsetKey> =
        keys.iter().map(|(topic, key)| ((topic.as_str(), key.partition), key)).collect();
    let code = |name: &str, partition: i32| match known.get(&(name, partition)) {
        None => codes::UNKNOWN_TOPIC_OR_PARTITION,
        Some(key) if spared.contains(*key) => codes::GROUP_SUBSCRIBED_TO_TOPIC,
        Some(_) => codes::NONE,
    };
    let topics = request.topics.iter().map(|asked| {
        let partitions = asked.partitions.iter().map(|p| {
            OffsetDeleteResponsePartition::default()
                .with_partition_index(p.partition_index)
                .with_error_code(code(&asked.name, p.partition_index))
        });
        OffsetDeleteResponseTopic::default()
            .with_name(asked.name.clone())
            .with_partitions(partitions.collect())
    });
    OffsetDeleteResponse::default().with_topics(topics.collect())
}
