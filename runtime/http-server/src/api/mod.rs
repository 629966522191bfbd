//! The JSON bodies of the REST API under `/v1`, shared by the server and the command line.
//!
//! Field names are part of the interface: add, never rename. Times are milliseconds since the Unix
//! epoch and sizes are bytes, as the field names say.

mod archive;
mod functions;
mod topics;

pub use archive::{
    ArchiveObject, ArchivePartition, ArchiveStatus, SealQuery, SealResult, StatusQuery, VerifyResult,
};
pub use functions::{
    DeployFunction, FunctionDetail, FunctionInstanceDetail, FunctionLimits, LogLine, LogQuery, UploadedModule,
};
pub use topics::{AlterTopic, CreateTopic, PartitionDetail, TopicConfigEntry, TopicDetail, TopicSummary};

use serde::{Deserialize, Serialize};

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Kafka's error name, such as `UNKNOWN_TOPIC_OR_PARTITION`.
    pub error: String,
    /// What was wrong, where, and what to do.
    pub message: String,
}
