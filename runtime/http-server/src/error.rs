//! Errors as HTTP answers.

use axum::Json;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tidemill_broker::{Error, ErrorKind};

use crate::api::ErrorBody;

/// A failed request.
pub(crate) struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl Failure {
    /// The request makes no sense.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self(Error::new(ErrorKind::InvalidRequest, message))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let status = status(error.kind);
        if status.is_server_error() {
            tracing::warn!(%error, "a REST request failed");
        }
        let body = ErrorBody { error: kafka_name(error.kind), message: error.message };
        (status, Json(body)).into_response()
    }
}

/// What is not there.
pub(crate) async fn no_such_route(uri: Uri) -> Response {
    let body =
        ErrorBody { error: "NOT_FOUND".to_owned(), message: format!("there is nothing at {}", uri.path()) };
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::UnknownTopicOrPartition | ErrorKind::UnknownTopicId | ErrorKind::ResourceNotFound => {
            StatusCode::NOT_FOUND
        }
        ErrorKind::TopicAlreadyExists | ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::PolicyViolation => StatusCode::FORBIDDEN,
        ErrorKind::MessageTooLarge | ErrorKind::RecordListTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::ThrottlingQuotaExceeded => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::UnknownServerError => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorKind::KafkaStorageError
        | ErrorKind::NotLeaderOrFollower
        | ErrorKind::RequestTimedOut
        | ErrorKind::CoordinatorNotAvailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// `TopicAlreadyExists` as Kafka writes it: `TOPIC_ALREADY_EXISTS`.
fn kafka_name(kind: ErrorKind) -> String {
    let mut name = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_as_kafka_names_them() {
        assert_eq!(kafka_name(ErrorKind::TopicAlreadyExists), "TOPIC_ALREADY_EXISTS");
        assert_eq!(kafka_name(ErrorKind::InvalidConfig), "INVALID_CONFIG");
    }
}
