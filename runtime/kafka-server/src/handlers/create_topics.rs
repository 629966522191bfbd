//! CreateTopics.

use std::collections::{BTreeMap, HashMap};

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use tidemill_broker::{Error, ErrorKind, NewTopic, Topic};

use super::config_resource::source_code;
use super::text;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut times_named: HashMap<String, usize> = HashMap::new();
    for topic in &request.topics {
        *times_named.entry(topic.name.to_string()).or_default() += 1;
    }
    let mut results: Vec<Option<CreatableTopicResult>> = Vec::with_capacity(request.topics.len());
    let mut planned = Vec::new();
    for topic in &request.topics {
        let plan = match times_named.get(topic.name.as_str()) {
            Some(1) => plan(call, topic, request.validate_only),
            _ => Err(Error::new(ErrorKind::InvalidRequest, "the request names this topic more than once")),
        };
        results.push(match plan {
            Err(error) => Some(failed(call.version(), topic, &error)),
            Ok(new) => {
                planned.push(new);
                None
            }
        });
    }
    let mut created = call.broker().create_topics(planned).await.into_iter();
    let filled = results.into_iter().zip(&request.topics).map(|(result, topic)| match result {
        Some(result) => result,
        None => match created.next() {
            Some(Ok(created)) => succeeded(call, topic, &created),
            Some(Err(error)) => failed(call.version(), topic, &error),
            None => failed(call.version(), topic, &Error::new(ErrorKind::UnknownServerError, "not created")),
        },
    });
    CreateTopicsResponse::default().with_topics(filled.collect())
}

/// What the broker is to do, if this one broker can follow what is asked for.
fn plan(call: &Call<'_>, topic: &CreatableTopic, validate_only: bool) -> Result<NewTopic, Error> {
    let node = call.node_id();
    let partitions = if topic.assignments.is_empty() {
        if !matches!(topic.replication_factor, -1 | 1) {
            let message = format!("replication factor {} is larger than 1 broker", topic.replication_factor);
            return Err(Error::new(ErrorKind::InvalidReplicationFactor, message));
        }
        (topic.num_partitions != -1).then_some(topic.num_partitions)
    } else {
        if topic.num_partitions != -1 || topic.replication_factor != -1 {
            let message = "both numbers and an assignment of replicas are given";
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        let mut indexes: Vec<i32> = topic.assignments.iter().map(|a| a.partition_index).collect();
        indexes.sort_unstable();
        let here = topic.assignments.iter().all(|a| matches!(a.broker_ids.as_slice(), [id] if id.0 == node));
        let count = i32::try_from(indexes.len()).unwrap_or(i32::MAX);
        if !here || !indexes.into_iter().eq(0..count) {
            let message = format!("partitions 0.. can be assigned to broker {node} only");
            return Err(Error::new(ErrorKind::InvalidReplicaAssignment, message));
        }
        Some(count)
    };
    let mut configs = BTreeMap::new();
    for config in &topic.configs {
        let Some(value) = &config.value else {
            let message = format!("{} has no value", &*config.name);
            return Err(Error::new(ErrorKind::InvalidConfig, message));
        };
        configs.insert(config.name.to_string(), value.to_string());
    }
    Ok(NewTopic { name: topic.name.to_string(), partitions, configs, validate_only })
}

fn succeeded(call: &Call<'_>, asked: &CreatableTopic, created: &Topic) -> CreatableTopicResult {
    let version = call.version();
    let result = CreatableTopicResult::default().with_name(asked.name.clone());
    if version < 5 {
        return result;
    }
    let configs = call.broker().describe_topic_configs(created);
    let configs = configs.into_iter().map(|config| {
        CreatableTopicConfigs::default()
            .with_name(text(config.name))
            .with_value(Some(text(config.value)))
            .with_config_source(source_code(config.source))
    });
    let result = result
        .with_num_partitions(created.partition_count())
        .with_replication_factor(1)
        .with_configs(Some(configs.collect()));
    if version >= 7 { result.with_topic_id(created.id) } else { result }
}

fn failed(version: i16, asked: &CreatableTopic, error: &Error) -> CreatableTopicResult {
    let result = CreatableTopicResult::default()
        .with_name(asked.name.clone())
        .with_error_code(error.kind.kafka_code())
        .with_error_message(Some(text(&error.message)));
    if version >= 5 { result.with_configs(None) } else { result }
}
