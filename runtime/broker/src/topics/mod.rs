//! Topics: names, configs, where partitions live, and how topics come and go.
//!
//! The truth is the metadata journal. [`Registry`] is what requests look at: every topic with its
//! configs already typed, found by name or id. A topic enters it when all its partitions are open on
//! their journals, and leaves it before the first of them is closed, so a request never meets half a
//! topic. A crash in between is repaired at start (`reconcile`).

mod admin;
pub(crate) mod inert;
pub(crate) mod name;
mod placement;
pub(crate) mod reconcile;
mod registry;
pub(crate) mod topic_config;

use std::collections::BTreeMap;

use tidemill_state::PartitionId;
use uuid::Uuid;

pub(crate) use admin::to_topic;
pub use admin::{NewTopic, TopicDeletion};
pub(crate) use registry::Registry;
pub use topic_config::{CleanupPolicy, PLACEMENT_GROUP, TopicConfig};

/// A topic as a request names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TopicRef {
    /// By name.
    Name(String),
    /// By id.
    Id(Uuid),
}

impl TopicRef {
    /// The id, if it is named by that.
    #[must_use]
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Self::Id(id) => Some(*id),
            Self::Name(_) => None,
        }
    }
}

impl From<&str> for TopicRef {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for TopicRef {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<Uuid> for TopicRef {
    fn from(id: Uuid) -> Self {
        Self::Id(id)
    }
}

impl std::fmt::Display for TopicRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Id(id) => write!(f, "{id}"),
        }
    }
}

/// Where a partition lives, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionPlacement {
    /// The data journal's id.
    pub journal: u32,
}

/// One topic. Immutable: a change of its configs or partitions makes a new value.
#[derive(Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id; a topic deleted and created again has another.
    pub id: Uuid,
    /// The partitions, by number.
    pub partitions: Vec<PartitionPlacement>,
    /// What applies: the broker's defaults with the topic's own configs on top.
    pub config: TopicConfig,
    /// What was set on the topic itself.
    pub own_configs: BTreeMap<String, String>,
    /// When it was created.
    pub created_at_ms: i64,
}

impl Topic {
    /// How many partitions it has.
    #[must_use]
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }

    /// Its partitions' ids, in order.
    pub fn partition_ids(&self) -> impl Iterator<Item = PartitionId> + use<> {
        let topic_id = self.id;
        (0..self.partition_count()).map(move |partition| PartitionId { topic_id, partition })
    }

    /// Where a partition lives, if the topic has it.
    #[must_use]
    pub fn placement(&self, partition: i32) -> Option<PartitionPlacement> {
        self.partitions.get(usize::try_from(partition).ok()?).copied()
    }

    /// The group that decides where its partitions go.
    #[must_use]
    pub fn placement_group(&self) -> &str {
        self.config.placement_group.as_deref().unwrap_or(&self.name)
    }
}
