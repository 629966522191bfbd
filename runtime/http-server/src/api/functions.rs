//! Modules and functions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The answer to `POST /v1/modules`, whose body is the module's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadedModule {
    /// Hex SHA-256 of the module, its name from now on.
    pub sha256: String,
    /// `transform` or `sink`.
    pub kind: String,
    /// Its length.
    pub size_bytes: u64,
}

/// `PUT /v1/functions/{name}`: deploys a function, or a new version of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeployFunction {
    /// The uploaded module.
    pub module_sha256: String,
    /// Input topics.
    pub inputs: Vec<String>,
    /// Output topics, which the guest names by position; created where they do not exist.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// The guest's config.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// Hosts a sink may call, `host` or `host:port`.
    #[serde(default)]
    pub allow_http: Vec<String>,
    /// `stop`, `skip` or `dead-letter`.
    #[serde(default)]
    pub on_error: Option<String>,
    /// `earliest` or `latest`: where it begins on a partition it has not seen.
    #[serde(default)]
    pub start: Option<String>,
    /// Limits, each with a default.
    #[serde(default)]
    pub limits: FunctionLimits,
}

/// Limits of one instance and one call; what is left out has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionLimits {
    /// Linear memory of one instance.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Time one call may take.
    #[serde(default)]
    pub deadline_ms: Option<u64>,
    /// Output of one call.
    #[serde(default)]
    pub output_bytes: Option<u64>,
}

/// `GET /v1/functions/{name}`, and a row of `GET /v1/functions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionDetail {
    /// Its name.
    pub name: String,
    /// `transform` or `sink`.
    pub kind: String,
    /// Counts deployments from 1.
    pub version: u32,
    /// The module.
    pub module_sha256: String,
    /// `running`, `paused` or `failed`.
    pub status: String,
    /// Input topics.
    pub inputs: Vec<String>,
    /// Output topics.
    pub outputs: Vec<String>,
    /// The guest's config.
    pub config: BTreeMap<String, String>,
    /// Hosts a sink may call.
    pub allow_http: Vec<String>,
    /// `stop`, `skip` or `dead-letter`.
    pub on_error: String,
    /// Each input partition.
    pub instances: Vec<FunctionInstanceDetail>,
}

/// A function on one input partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionInstanceDetail {
    /// The input topic.
    pub topic: String,
    /// The input partition.
    pub partition: i32,
    /// The next offset it will read.
    pub position: i64,
    /// Committed records it has not read.
    pub lag: i64,
    /// Why it stands still, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// `GET /v1/functions/{name}/logs?from=N`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogQuery {
    /// Only lines with this sequence number or a higher one.
    #[serde(default)]
    pub from: u64,
}

/// One line that a guest or its host logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Rises by one per line of a function.
    pub sequence: u64,
    /// When.
    pub timestamp_ms: i64,
    /// `error`, `warn`, `info` or `debug`.
    pub level: String,
    /// The text, with the input partition in front.
    pub message: String,
}
