//! A small Kafka client for our own command line, load generator and crash tests.
//!
//! It is deliberately thin: one pipelined [`Connection`] per broker, typed calls over the protocol's
//! messages, and [`Cluster`], which finds the leader of a partition. Programs that need consumer
//! groups, retries or transactions should use a full Kafka client; any of them works.
//!
//! Responses come back in request order on a connection, which is Kafka's guarantee and lets a call
//! be matched to its answer without a lookup.

mod cluster;
mod connection;

pub use cluster::{Cluster, Fetched, Produced, fetch_request};
pub use connection::{Connection, Pending};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection could not be made, or broke. An unanswered produce may or may not be stored.
    #[error("connection to {address}: {source}")]
    Io {
        /// The broker's address.
        address: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The broker closed the connection with calls unanswered.
    #[error("{0} closed the connection")]
    Closed(String),
    /// Bytes that do not decode as the answer to the request.
    #[error("malformed answer to {api}: {reason}")]
    Malformed {
        /// The API's name.
        api: &'static str,
        /// What was wrong.
        reason: String,
    },
    /// The broker does not offer a version of this API that we speak.
    #[error("the broker offers no common version of {api}")]
    Unsupported {
        /// The API's name.
        api: &'static str,
    },
    /// The broker answered with a Kafka error code.
    #[error("{what}: {}", kafka_error_name(*code))]
    Kafka {
        /// What was asked.
        what: String,
        /// Kafka's error code.
        code: i16,
    },
}

/// The name Kafka gives an error code, such as `UNKNOWN_TOPIC_OR_PARTITION`.
pub fn kafka_error_name(code: i16) -> String {
    match kafka_protocol::error::ResponseError::try_from_code(code) {
        None => "NONE".to_owned(),
        Some(error) => format!("{error} (code {code})"),
    }
}
