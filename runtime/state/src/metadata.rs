//! The control plane: topics, functions, producer ids, group placement. Only the metadata journal's
//! state has any of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::features::Features;
use crate::limits::{MAX_LIST_ELEMENTS, MAX_STRING_BYTES, MAX_TOPIC_PARTITIONS};
use crate::rows::RowKey;
use crate::state::State;
use crate::{Effect, FunctionMetadata, FunctionStatus, MetadataChange, MetadataCommand, Outcome, Rejection};
use crate::{Error, QuotaEntity, TopicMetadata};

/// Longest topic name, as in Kafka.
const MAX_TOPIC_NAME_BYTES: usize = 249;

/// What the metadata journal knows.
#[derive(Debug, Default)]
pub struct Metadata {
    pub(crate) cluster_id: Option<Uuid>,
    pub(crate) next_producer_id: i64,
    pub(crate) topics: BTreeMap<Uuid, Arc<TopicMetadata>>,
    topics_by_name: BTreeMap<Box<str>, Uuid>,
    pub(crate) functions: BTreeMap<Uuid, Arc<FunctionMetadata>>,
    functions_by_name: BTreeMap<Box<str>, Uuid>,
    pub(crate) group_journals: BTreeMap<Arc<str>, u32>,
    pub(crate) broker_configs: BTreeMap<Option<i32>, BTreeMap<String, String>>,
    pub(crate) client_quotas: BTreeMap<QuotaEntity, BTreeMap<String, f64>>,
    pub(crate) features: Features,
    pub(crate) client_metrics: BTreeMap<Arc<str>, BTreeMap<String, String>>,
}

impl Metadata {
    /// The cluster's id, once claimed.
    pub fn cluster_id(&self) -> Option<Uuid> {
        self.cluster_id
    }

    /// The first producer id not handed out yet.
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// All topics by id.
    pub fn topics(&self) -> &BTreeMap<Uuid, Arc<TopicMetadata>> {
        &self.topics
    }

    /// A topic by id.
    pub fn topic(&self, topic_id: &Uuid) -> Option<&Arc<TopicMetadata>> {
        self.topics.get(topic_id)
    }

    /// A topic by name.
    pub fn topic_by_name(&self, name: &str) -> Option<&Arc<TopicMetadata>> {
        self.topics.get(self.topics_by_name.get(name)?)
    }

    /// All functions by deployment id.
    pub fn functions(&self) -> &BTreeMap<Uuid, Arc<FunctionMetadata>> {
        &self.functions
    }

    /// A function by deployment id.
    pub fn function(&self, function_id: &Uuid) -> Option<&Arc<FunctionMetadata>> {
        self.functions.get(function_id)
    }

    /// A function by name.
    pub fn function_by_name(&self, name: &str) -> Option<&Arc<FunctionMetadata>> {
        self.functions.get(self.functions_by_name.get(name)?)
    }

    /// The journal that holds a group or transactional id, once fixed.
    pub fn group_journal(&self, group_id: &str) -> Option<u32> {
        self.group_journals.get(group_id).copied()
    }

    /// All placed groups and their journals.
    pub fn group_journals(&self) -> &BTreeMap<Arc<str>, u32> {
        &self.group_journals
    }

    fn insert_topic(&mut self, topic: Arc<TopicMetadata>) {
        self.topics_by_name.insert(topic.name.as_str().into(), topic.topic_id);
        self.topics.insert(topic.topic_id, topic);
    }

    fn insert_function(&mut self, function: Arc<FunctionMetadata>) {
        self.functions_by_name.insert(function.name.as_str().into(), function.function_id);
        self.functions.insert(function.function_id, function);
    }

    fn topic_mut(&mut self, topic_id: &Uuid) -> Result<&mut TopicMetadata, Rejection> {
        let topic =
            self.topics.get_mut(topic_id).ok_or_else(|| Rejection::NotFound(format!("topic {topic_id}")))?;
        Ok(Arc::make_mut(topic))
    }
}

impl State {
    pub(crate) fn apply_metadata(
        &mut self,
        command: &MetadataCommand,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Rejection> {
        let (outcome, change) = match command {
            MetadataCommand::ClaimCluster { cluster_id } => return self.claim_cluster(*cluster_id, effects),
            MetadataCommand::AllocateProducerIds { count } => return self.allocate_producer_ids(*count),
            MetadataCommand::PlaceGroup { group_id, journal } => {
                return self.place_group(group_id, *journal, effects);
            }
            MetadataCommand::ForgetPlacements { placements } => {
                return Ok(self.forget_placements(placements, effects));
            }
            MetadataCommand::CreateTopic(topic) => self.create_topic(topic)?,
            MetadataCommand::DeleteTopic { topic_id } => self.delete_topic(topic_id)?,
            MetadataCommand::AddPartitions { topic_id, expected_partitions, journals } => {
                self.add_partitions(topic_id, *expected_partitions, journals)?
            }
            MetadataCommand::AlterTopicConfigs { topic_id, changes } => {
                self.alter_configs(topic_id, changes)?
            }
            MetadataCommand::DeployFunction(function) => self.deploy_function(function)?,
            MetadataCommand::SetFunctionStatus { function_id, status } => {
                self.set_function_status(function_id, status)?
            }
            MetadataCommand::DeleteFunction { function_id } => self.delete_function(function_id)?,
            MetadataCommand::AlterBrokerConfigs { node_id, changes } => {
                self.alter_broker_configs(*node_id, changes)?
            }
            MetadataCommand::AlterClientQuotas { entity, changes } => {
                self.alter_client_quotas(entity, changes)?
            }
            MetadataCommand::AlterClientMetrics { name, changes } => {
                self.alter_client_metrics(name, changes)?
            }
            MetadataCommand::SetFeatureLevel { feature, level } => self.set_feature_level(feature, *level)?,
        };
        effects.push(Effect::MetadataChanged(change));
        Ok(outcome)
    }

    fn claim_cluster(&mut self, id: Uuid, effects: &mut Vec<Effect>) -> Result<Outcome, Rejection> {
        match self.metadata.cluster_id {
            Some(claimed) if claimed != id => Err(Rejection::AlreadyExists(format!("cluster {claimed}"))),
            Some(_) => Ok(Outcome::Done),
            None => {
                self.metadata.cluster_id = Some(id);
                self.dirty.mark(RowKey::Cluster);
                effects.push(Effect::MetadataChanged(MetadataChange::Cluster));
                Ok(Outcome::Done)
            }
        }
    }

    fn allocate_producer_ids(&mut self, count: u32) -> Result<Outcome, Rejection> {
        let first = self.metadata.next_producer_id;
        let next = first.checked_add(i64::from(count)).filter(|_| count > 0);
        self.metadata.next_producer_id =
            next.ok_or_else(|| Rejection::Invalid("number of producer ids".into()))?;
        self.dirty.mark(RowKey::ProducerIds);
        Ok(Outcome::ProducerIds { first })
    }

    fn place_group(
        &mut self,
        group_id: &str,
        journal: u32,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Rejection> {
        if group_id.len() > MAX_STRING_BYTES {
            return Err(Rejection::Invalid("group id is too long".into()));
        }
        if let Some(journal) = self.metadata.group_journal(group_id) {
            return Ok(Outcome::GroupPlaced { journal });
        }
        let group: Arc<str> = group_id.into();
        self.metadata.group_journals.insert(group.clone(), journal);
        self.dirty.mark(RowKey::GroupPlacement(group.clone()));
        effects.push(Effect::MetadataChanged(MetadataChange::Group(group)));
        Ok(Outcome::GroupPlaced { journal })
    }

    fn forget_placements(&mut self, placements: &[(String, u32)], effects: &mut Vec<Effect>) -> Outcome {
        for (group_id, journal) in placements {
            let placed = self.metadata.group_journals.get_key_value(group_id.as_str());
            let Some((group, _)) = placed.filter(|(_, placed)| *placed == journal) else {
                continue;
            };
            let group = group.clone();
            self.metadata.group_journals.remove(&group);
            self.dirty.mark(RowKey::GroupPlacement(group.clone()));
            effects.push(Effect::MetadataChanged(MetadataChange::Group(group)));
        }
        Outcome::Done
    }

    fn create_topic(&mut self, topic: &TopicMetadata) -> Result<(Outcome, MetadataChange), Rejection> {
        check_topic_name(&topic.name)?;
        check_partition_count(topic.journals.len())?;
        check_configs(topic.configs.iter().map(|(name, value)| (name, Some(value))))?;
        let metadata = &mut self.metadata;
        if metadata.topics_by_name.contains_key(topic.name.as_str()) {
            return Err(Rejection::AlreadyExists(format!("topic {}", topic.name)));
        }
        if metadata.topics.contains_key(&topic.topic_id) {
            return Err(Rejection::AlreadyExists(format!("topic {}", topic.topic_id)));
        }
        metadata.insert_topic(Arc::new(topic.clone()));
        Ok(self.topic_changed(topic.topic_id))
    }

    fn delete_topic(&mut self, topic_id: &Uuid) -> Result<(Outcome, MetadataChange), Rejection> {
        let metadata = &mut self.metadata;
        let topic = metadata
            .topics
            .remove(topic_id)
            .ok_or_else(|| Rejection::NotFound(format!("topic {topic_id}")))?;
        metadata.topics_by_name.remove(topic.name.as_str());
        Ok(self.topic_changed(*topic_id))
    }

    fn add_partitions(
        &mut self,
        topic_id: &Uuid,
        expected: i32,
        journals: &[u32],
    ) -> Result<(Outcome, MetadataChange), Rejection> {
        let topic = self.metadata.topic_mut(topic_id)?;
        let (expected, found) = (i64::from(expected), topic.journals.len() as i64);
        if expected != found {
            return Err(Rejection::Conflict { expected, found });
        }
        check_partition_count(journals.len())?;
        check_partition_count(topic.journals.len().saturating_add(journals.len()))?;
        topic.journals.extend_from_slice(journals);
        Ok(self.topic_changed(*topic_id))
    }

    fn alter_configs(
        &mut self,
        topic_id: &Uuid,
        changes: &[(String, Option<String>)],
    ) -> Result<(Outcome, MetadataChange), Rejection> {
        check_configs(changes.iter().map(|(name, value)| (name, value.as_ref())))?;
        let topic = self.metadata.topic_mut(topic_id)?;
        if topic.configs.len().saturating_add(changes.len()) > MAX_LIST_ELEMENTS {
            return Err(Rejection::Invalid("too many configs".into()));
        }
        for (name, value) in changes {
            match value {
                Some(value) => topic.configs.insert(name.clone(), value.clone()),
                None => topic.configs.remove(name),
            };
        }
        Ok(self.topic_changed(*topic_id))
    }

    fn deploy_function(
        &mut self,
        function: &FunctionMetadata,
    ) -> Result<(Outcome, MetadataChange), Rejection> {
        if function.name.is_empty() || function.name.len() > MAX_TOPIC_NAME_BYTES {
            return Err(Rejection::Invalid("function name".into()));
        }
        let metadata = &self.metadata;
        let by_name = metadata.function_by_name(&function.name);
        if by_name.is_some_and(|found| found.function_id != function.function_id) {
            return Err(Rejection::AlreadyExists(format!("function {}", function.name)));
        }
        if by_name.is_none() && metadata.functions.contains_key(&function.function_id) {
            return Err(Rejection::AlreadyExists(format!("function {}", function.function_id)));
        }
        let found = by_name.map_or(0, |found| i64::from(found.version));
        let expected = i64::from(function.version).saturating_sub(1);
        if expected != found {
            return Err(Rejection::Conflict { expected, found });
        }
        self.metadata.insert_function(Arc::new(function.clone()));
        Ok(self.function_changed(function.function_id))
    }

    fn set_function_status(
        &mut self,
        id: &Uuid,
        status: &FunctionStatus,
    ) -> Result<(Outcome, MetadataChange), Rejection> {
        let functions = &mut self.metadata.functions;
        let function = functions.get_mut(id).ok_or_else(|| Rejection::NotFound(format!("function {id}")))?;
        Arc::make_mut(function).status = status.clone();
        Ok(self.function_changed(*id))
    }

    fn delete_function(&mut self, id: &Uuid) -> Result<(Outcome, MetadataChange), Rejection> {
        let metadata = &mut self.metadata;
        let function =
            metadata.functions.remove(id).ok_or_else(|| Rejection::NotFound(format!("function {id}")))?;
        metadata.functions_by_name.remove(function.name.as_str());
        Ok(self.function_changed(*id))
    }

    fn topic_changed(&mut self, id: Uuid) -> (Outcome, MetadataChange) {
        self.dirty.mark(RowKey::Topic(id));
        (Outcome::Done, MetadataChange::Topic(id))
    }

    fn function_changed(&mut self, id: Uuid) -> (Outcome, MetadataChange) {
        self.dirty.mark(RowKey::DeployedFunction(id));
        (Outcome::Done, MetadataChange::Function(id))
    }

    pub(crate) fn load_topic(&mut self, topic: TopicMetadata) -> Result<(), Error> {
        if self.metadata.topics_by_name.contains_key(topic.name.as_str()) {
            return Err(Error::corrupt("state row", format!("two topics are named {}", topic.name)));
        }
        self.metadata.insert_topic(Arc::new(topic));
        Ok(())
    }

    pub(crate) fn load_deployed_function(&mut self, function: FunctionMetadata) -> Result<(), Error> {
        if self.metadata.functions_by_name.contains_key(function.name.as_str()) {
            return Err(Error::corrupt("state row", format!("two functions are named {}", function.name)));
        }
        self.metadata.insert_function(Arc::new(function));
        Ok(())
    }
}

/// Kafka's rule for topic names.
fn check_topic_name(name: &str) -> Result<(), Rejection> {
    let legal = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if name.is_empty() || name == "." || name == ".." || name.len() > MAX_TOPIC_NAME_BYTES || !legal {
        return Err(Rejection::Invalid("topic name".into()));
    }
    Ok(())
}

fn check_partition_count(count: usize) -> Result<(), Rejection> {
    if count == 0 || count > MAX_TOPIC_PARTITIONS {
        return Err(Rejection::Invalid("number of partitions".into()));
    }
    Ok(())
}

pub(crate) fn check_configs<'a>(
    mut configs: impl Iterator<Item = (&'a String, Option<&'a String>)>,
) -> Result<(), Rejection> {
    let too_long = |(name, value): (&String, Option<&String>)| {
        name.is_empty() || name.len() > MAX_STRING_BYTES || value.is_some_and(|v| v.len() > MAX_STRING_BYTES)
    };
    if configs.any(too_long) {
        return Err(Rejection::Invalid("config name or value".into()));
    }
    Ok(())
}
