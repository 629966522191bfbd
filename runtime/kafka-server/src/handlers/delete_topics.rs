//! DeleteTopics, by name or by id.

use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use tidemill_broker::TopicRef;
use uuid::Uuid;

use super::{text, topic_name};
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let asked: Vec<(Option<TopicName>, Uuid)> = if call.version() >= 6 {
        request.topics.into_iter().map(|topic| (topic.name, topic.topic_id)).collect()
    } else {
        request.topic_names.into_iter().map(|name| (Some(name), Uuid::nil())).collect()
    };
    let mut responses = Vec::with_capacity(asked.len());
    for (name, id) in asked {
        let reference = match &name {
            Some(name) => TopicRef::from(&***name),
            None => TopicRef::from(id),
        };
        let result = DeletableTopicResult::default().with_name(name);
        responses.push(match call.broker().delete_topic(&reference).await {
            Ok(deleted) if call.version() >= 6 => {
                result.with_name(Some(topic_name(&deleted.name))).with_topic_id(deleted.id)
            }
            Ok(_) => result,
            Err(error) => {
                let message = (call.version() >= 5).then(|| text(error.message));
                result.with_topic_id(id).with_error_code(error.kind.kafka_code()).with_error_message(message)
            }
        });
    }
    DeleteTopicsResponse::default().with_responses(responses)
}
