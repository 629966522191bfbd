//! Creating, changing and deleting topics.
//!
//! The metadata journal decides; the data journals follow. Creating: metadata, then the partitions
//! are opened, then the topic can be seen. Deleting: metadata, then the topic is out of sight, then
//! the partitions are closed. Whatever a crash leaves undone, `reconcile` does at the next start.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use tidemill_state::{
    Command, MetadataCommand, OpenPartition, Outcome, PartitionId, Rejection, TopicMetadata,
};
use uuid::Uuid;

use super::{PLACEMENT_GROUP, PartitionPlacement, Topic, TopicConfig, TopicRef, name, placement};
use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::journals::{done, rejected};

/// Partitions opened or closed at a time, so that ten thousand do not fill the journal's queue.
const BATCH: usize = 1024;

/// A topic to be created.
#[derive(Clone, Debug, Default)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; the broker's default if not given.
    pub partitions: Option<i32>,
    /// Kafka's configs.
    pub configs: BTreeMap<String, String>,
    /// Only check whether it could be created.
    pub validate_only: bool,
}

impl NewTopic {
    /// A topic with the broker's defaults.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The same with a number of partitions.
    #[must_use]
    pub fn with_partitions(mut self, count: i32) -> Self {
        self.partitions = Some(count);
        self
    }

    /// The same with a config.
    #[must_use]
    pub fn with_config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.insert(name.into(), value.into());
        self
    }
}

/// A topic that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDeletion {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: Uuid,
}

impl Broker {
    /// Every topic, sorted by name.
    #[must_use]
    pub fn topics(&self) -> Vec<Arc<Topic>> {
        self.registry.all()
    }

    /// A topic by name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.registry.by_name(name)
    }

    /// A topic by id.
    #[must_use]
    pub fn topic_by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.registry.by_id(&id)
    }

    /// A topic by name or id; the error is Kafka's for each.
    pub fn find_topic(&self, topic: &TopicRef) -> Result<Arc<Topic>, Error> {
        self.registry.find(topic)
    }

    /// The topic of this name, created with the broker's defaults if it is missing and may be
    /// created automatically.
    pub async fn topic_or_create(&self, name: &str) -> Result<Arc<Topic>, Error> {
        if let Some(topic) = self.registry.by_name(name) {
            return Ok(topic);
        }
        name::validate(name)?;
        if !self.config().auto_create_topics_enable {
            return self.registry.find(&name.into());
        }
        match self.create_topic(NewTopic::named(name)).await {
            Ok(topic) => Ok(topic),
            Err(error) if error.kind == ErrorKind::TopicAlreadyExists => self.registry.find(&name.into()),
            Err(error) => Err(error),
        }
    }

    /// Creates many topics at once; their proposals share the journals' commits.
    pub async fn create_topics(&self, topics: Vec<NewTopic>) -> Vec<Result<Arc<Topic>, Error>> {
        let mut results = Vec::with_capacity(topics.len());
        let mut waiting = topics.into_iter().peekable();
        while waiting.peek().is_some() {
            let some: Vec<_> = waiting.by_ref().take(BATCH).map(|topic| self.create_topic(topic)).collect();
            results.extend(join_all(some).await);
        }
        results
    }

    /// Creates a topic and opens its partitions.
    pub async fn create_topic(&self, new: NewTopic) -> Result<Arc<Topic>, Error> {
        let metadata = self.plan_topic(&new)?;
        if new.validate_only {
            return Ok(Arc::new(to_topic(metadata, &self.config().topic_defaults)));
        }
        if self.registry.collides(&new.name) {
            tracing::warn!(
                topic = new.name,
                "metrics cannot tell this name from another topic's: '.' and '_' look the same there"
            );
        }
        let id = metadata.topic_id;
        let command = Command::Metadata(MetadataCommand::CreateTopic(metadata.clone()));
        match done(self.journals.metadata().propose(command).await?) {
            Ok(()) => {}
            Err(Rejection::AlreadyExists(_)) => {
                self.finish_creation(&new.name).await?;
                return Err(already_exists(&new.name));
            }
            Err(other) => return Err(rejected(&other)),
        }
        self.open_partitions(&metadata.name, id, 0, &metadata.journals).await?;
        self.sync_topic(&id).ok_or_else(|| Error::unknown_partition(&new.name, 0))
    }

    /// Makes visible a topic that the metadata has. Its creator may be at it at this moment, or may
    /// have failed half-way (a full disk); opening partitions twice does no harm.
    async fn finish_creation(&self, name: &str) -> Result<(), Error> {
        let found = self.journals.metadata().state(|state| state.metadata().topic_by_name(name).cloned());
        if let Some(topic) = found.filter(|_| self.registry.by_name(name).is_none()) {
            self.open_partitions(&topic.name, topic.topic_id, 0, &topic.journals).await?;
            self.sync_topic(&topic.topic_id);
        }
        Ok(())
    }

    /// Checks a new topic against the rules and decides where its partitions go.
    fn plan_topic(&self, new: &NewTopic) -> Result<TopicMetadata, Error> {
        name::validate(&new.name)?;
        if self.registry.by_name(&new.name).is_some() {
            return Err(already_exists(&new.name));
        }
        let count = new.partitions.unwrap_or(self.config().num_partitions);
        self.check_partition_count(count, count)?;
        let config = TopicConfig::resolve(&self.config().topic_defaults, &new.configs)?;
        let group = config.placement_group.as_deref().unwrap_or(&new.name);
        Ok(TopicMetadata {
            name: new.name.clone(),
            topic_id: Uuid::new_v4(),
            journals: placement::place(&self.registry, group, 0, count, self.journals.spread()),
            configs: new.configs.clone(),
            created_at_ms: self.clock.now_ms(),
        })
    }

    fn check_partition_count(&self, count: i32, added: i32) -> Result<(), Error> {
        let most = self.config().max_partitions_per_topic;
        if count < 1 || count > most {
            let message = format!("a topic may have from 1 to {most} partitions, not {count}");
            return Err(Error::new(ErrorKind::InvalidPartitions, message));
        }
        let all = self.registry.counts().1.saturating_add(usize::try_from(added).unwrap_or(0));
        if all > usize::try_from(self.config().max_partitions).unwrap_or(usize::MAX) {
            let message = format!("this broker may have at most {} partitions", self.config().max_partitions);
            return Err(Error::new(ErrorKind::PolicyViolation, message));
        }
        Ok(())
    }

    /// Gives a topic more partitions, `total` in all.
    pub async fn create_partitions(
        &self,
        topic: &str,
        total: i32,
        validate_only: bool,
    ) -> Result<Arc<Topic>, Error> {
        let topic = self.registry.find(&topic.into())?;
        let current = topic.partition_count();
        if total <= current {
            let message = format!("{} has {current} partitions, {total} is not more", topic.name);
            return Err(Error::new(ErrorKind::InvalidPartitions, message));
        }
        self.check_partition_count(total, total - current)?;
        if validate_only {
            return Ok(topic);
        }
        let group = topic.placement_group();
        let journals =
            placement::place(&self.registry, group, current, total - current, self.journals.spread());
        let command = Command::Metadata(MetadataCommand::AddPartitions {
            topic_id: topic.id,
            expected_partitions: current,
            journals: journals.clone(),
        });
        done(self.journals.metadata().propose(command).await?).map_err(|rejection| rejected(&rejection))?;
        self.open_partitions(&topic.name, topic.id, current, &journals).await?;
        self.sync_topic(&topic.id).ok_or_else(|| Error::unknown_partition(&topic.name, current))
    }

    /// Deletes a topic: its records are out of reach at once, its objects are deleted later.
    pub async fn delete_topic(&self, topic: &TopicRef) -> Result<TopicDeletion, Error> {
        if !self.config().delete_topic_enable {
            let message = "topics cannot be deleted here: delete.topic.enable is false";
            return Err(Error::new(ErrorKind::TopicDeletionDisabled, message));
        }
        let topic = self.registry.find(topic)?;
        let command = Command::Metadata(MetadataCommand::DeleteTopic { topic_id: topic.id });
        match self.journals.metadata().propose(command).await? {
            Outcome::Rejected(Rejection::NotFound(_)) => {
                return Err(Error::unknown_partition(&topic.name, 0));
            }
            Outcome::Rejected(other) => return Err(rejected(&other)),
            _ => {}
        }
        self.registry.remove(&topic.id);
        self.metrics.forget_topic(&topic.name);
        self.fetch_waiters.wake_all(topic.partition_ids());
        self.close_partitions(&topic).await?;
        Ok(TopicDeletion { name: topic.name.clone(), id: topic.id })
    }

    /// Sets (or, with none, resets) some configs of a topic.
    pub async fn alter_topic_configs(
        &self,
        topic: &str,
        changes: Vec<(String, Option<String>)>,
        validate_only: bool,
    ) -> Result<Arc<Topic>, Error> {
        let topic = self.registry.find(&topic.into())?;
        let mut own = topic.own_configs.clone();
        for (name, value) in &changes {
            match value {
                Some(value) => own.insert(name.clone(), value.clone()),
                None => own.remove(name),
            };
        }
        let config = TopicConfig::resolve(&self.config().topic_defaults, &own)?;
        if config.placement_group != topic.config.placement_group {
            let message = format!("{PLACEMENT_GROUP} is fixed when the topic is created");
            return Err(Error::new(ErrorKind::InvalidConfig, message));
        }
        if validate_only {
            return Ok(topic);
        }
        let command = Command::Metadata(MetadataCommand::AlterTopicConfigs { topic_id: topic.id, changes });
        done(self.journals.metadata().propose(command).await?).map_err(|rejection| rejected(&rejection))?;
        let altered = self.sync_topic(&topic.id);
        self.housekeeping.look_at(topic.partition_ids());
        altered.ok_or_else(|| Error::unknown_partition(&topic.name, 0))
    }

    /// Reads one topic from the metadata journal into the registry.
    pub(crate) fn sync_topic(&self, id: &Uuid) -> Option<Arc<Topic>> {
        self.registry.update(id, || {
            let metadata = self.journals.metadata().state(|state| state.metadata().topic(id).cloned());
            metadata.map(|metadata| to_topic(TopicMetadata::clone(&metadata), &self.config().topic_defaults))
        })
    }

    /// Opens partitions `first..` of a topic on their journals.
    pub(crate) async fn open_partitions(
        &self,
        topic: &str,
        topic_id: Uuid,
        first: i32,
        journals: &[u32],
    ) -> Result<(), Error> {
        let mut opens = (first..).zip(journals).map(|(partition, journal)| {
            let partition = PartitionId { topic_id, partition };
            (
                *journal,
                Command::OpenPartition(OpenPartition {
                    partition,
                    topic: topic.to_owned(),
                    leader_epoch_base: 0,
                }),
            )
        });
        self.propose_many(&mut opens).await
    }

    async fn close_partitions(&self, topic: &Topic) -> Result<(), Error> {
        let placed = topic.partition_ids().zip(&topic.partitions);
        let mut closes = placed.map(|(id, placement)| (placement.journal, Command::ClosePartition(id)));
        self.propose_many(&mut closes).await
    }

    /// Proposes idempotent commands to data journals, many at a time, and waits for all of them.
    pub(crate) async fn propose_many(
        &self,
        commands: &mut (dyn Iterator<Item = (u32, Command)> + Send),
    ) -> Result<(), Error> {
        loop {
            let some: Vec<_> = commands.take(BATCH).collect();
            if some.is_empty() {
                return Ok(());
            }
            let proposals = some.into_iter().map(|(journal, command)| async move {
                let outcome = self.journals.data(journal)?.propose(command).await?;
                match outcome {
                    Outcome::Rejected(Rejection::UnknownPartition(_)) => Ok(()),
                    Outcome::Rejected(rejection) => Err(rejected(&rejection)),
                    _ => Ok(()),
                }
            });
            join_all(proposals).await.into_iter().collect::<Result<(), Error>>()?;
        }
    }
}

fn already_exists(name: &str) -> Error {
    Error::new(ErrorKind::TopicAlreadyExists, format!("topic {name:?} exists already"))
}

/// A topic with its configs typed. Configs were checked when they were set; a value that an older
/// broker took and this one does not falls back to the defaults, with a warning.
pub(crate) fn to_topic(metadata: TopicMetadata, defaults: &TopicConfig) -> Topic {
    let config = TopicConfig::resolve(defaults, &metadata.configs).unwrap_or_else(|error| {
        tracing::warn!(topic = metadata.name, %error, "topic configs are ignored");
        defaults.clone()
    });
    Topic {
        partitions: metadata
            .journals
            .iter()
            .map(|journal| PartitionPlacement { journal: *journal })
            .collect(),
        name: metadata.name,
        id: metadata.topic_id,
        config,
        own_configs: metadata.configs,
        created_at_ms: metadata.created_at_ms,
    }
}
