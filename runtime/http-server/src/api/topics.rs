//! Topics.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `POST /v1/topics`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTopic {
    /// The topic's name.
    pub name: String,
    /// How many partitions; the broker's `num.partitions` if left out.
    #[serde(default)]
    pub partitions: Option<i32>,
    /// Kafka topic configs.
    #[serde(default)]
    pub configs: BTreeMap<String, String>,
}

/// `PATCH /v1/topics/{name}`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlterTopic {
    /// The new, larger partition count.
    #[serde(default)]
    pub partitions: Option<i32>,
    /// Configs to set, or with null to reset to the default.
    #[serde(default)]
    pub configs: BTreeMap<String, Option<String>>,
}

/// One row of `GET /v1/topics`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicSummary {
    /// The topic's name.
    pub name: String,
    /// The topic's id.
    pub id: String,
    /// How many partitions.
    pub partitions: usize,
    /// Records between log start and end, over all partitions.
    pub offsets: i64,
}

/// `GET /v1/topics/{name}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicDetail {
    /// The topic's name.
    pub name: String,
    /// The topic's id.
    pub id: String,
    /// Each partition.
    pub partitions: Vec<PartitionDetail>,
    /// Each config with its value in force.
    pub configs: Vec<TopicConfigEntry>,
}

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionDetail {
    /// Its number.
    pub partition: i32,
    /// The journal it lives on.
    pub journal: u32,
    /// First offset that is still there.
    pub log_start_offset: i64,
    /// Offset after the last record.
    pub high_watermark: i64,
    /// Offsets below this are in the archive.
    pub archived_end: i64,
}

/// One topic config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicConfigEntry {
    /// Kafka's name.
    pub name: String,
    /// The value in force.
    pub value: String,
    /// True where it was not set on the topic.
    pub default: bool,
}
