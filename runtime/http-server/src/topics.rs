//! `/v1/topics`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use tidemill_broker::{Broker, ConfigSource, NewTopic, Topic, TopicRef};

use crate::api::{AlterTopic, CreateTopic, PartitionDetail, TopicConfigEntry, TopicDetail, TopicSummary};
use crate::error::Failure;

pub(crate) async fn list(State(broker): State<Arc<Broker>>) -> Json<Vec<TopicSummary>> {
    Json(broker.topics().iter().map(|topic| summary(&broker, topic)).collect())
}

pub(crate) async fn create(
    State(broker): State<Arc<Broker>>,
    Json(body): Json<CreateTopic>,
) -> Result<(StatusCode, Json<TopicDetail>), Failure> {
    let new = NewTopic { partitions: body.partitions, configs: body.configs, ..NewTopic::named(body.name) };
    let topic = broker.create_topic(new).await?;
    Ok((StatusCode::CREATED, Json(detail(&broker, &topic))))
}

pub(crate) async fn describe(
    State(broker): State<Arc<Broker>>,
    Path(name): Path<String>,
) -> Result<Json<TopicDetail>, Failure> {
    let topic = broker.find_topic(&TopicRef::from(name))?;
    Ok(Json(detail(&broker, &topic)))
}

pub(crate) async fn alter(
    State(broker): State<Arc<Broker>>,
    Path(name): Path<String>,
    Json(body): Json<AlterTopic>,
) -> Result<Json<TopicDetail>, Failure> {
    let changes: Vec<_> = body.configs.into_iter().collect();
    // Both are checked before either is done.
    broker.alter_topic_configs(&name, changes.clone(), true).await?;
    if let Some(total) = body.partitions {
        broker.create_partitions(&name, total, false).await?;
    }
    if !changes.is_empty() {
        broker.alter_topic_configs(&name, changes, false).await?;
    }
    describe(State(broker), Path(name)).await
}

pub(crate) async fn delete(
    State(broker): State<Arc<Broker>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    broker.delete_topic(&TopicRef::from(name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn summary(broker: &Broker, topic: &Topic) -> TopicSummary {
    let offsets = partitions(broker, topic).map(|part| part.high_watermark - part.log_start_offset).sum();
    TopicSummary {
        name: topic.name.clone(),
        id: topic.id.to_string(),
        partitions: topic.partitions.len(),
        offsets,
    }
}

fn detail(broker: &Broker, topic: &Topic) -> TopicDetail {
    let configs = broker.describe_topic_configs(topic);
    TopicDetail {
        name: topic.name.clone(),
        id: topic.id.to_string(),
        partitions: partitions(broker, topic).collect(),
        configs: configs
            .into_iter()
            .map(|entry| TopicConfigEntry {
                name: entry.name,
                value: entry.value,
                default: entry.source != ConfigSource::Topic,
            })
            .collect(),
    }
}

/// The partitions whose journals know them; a topic that is just being deleted may have lost some.
fn partitions(broker: &Broker, topic: &Topic) -> impl Iterator<Item = PartitionDetail> {
    (0_i32..).zip(&topic.partitions).filter_map(|(partition, placement)| {
        let marks = broker.watermarks(&TopicRef::from(topic.id), partition).ok()?;
        Some(PartitionDetail {
            partition,
            journal: placement.journal,
            log_start_offset: marks.log_start_offset,
            high_watermark: marks.high_watermark,
            archived_end: marks.archived_end,
        })
    })
}
