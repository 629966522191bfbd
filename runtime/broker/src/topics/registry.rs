//! All topics, by name and by id.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use uuid::Uuid;

use super::{Topic, TopicRef, name};
use crate::error::{Error, ErrorKind};

#[derive(Default)]
struct Topics {
    by_name: HashMap<String, Arc<Topic>>,
    by_id: HashMap<Uuid, Arc<Topic>>,
    /// How many names there are that metrics cannot tell apart, by what they share.
    collisions: HashMap<String, usize>,
    partitions: usize,
}

/// What requests look at. Lookups take a read lock for the time of a hash lookup.
#[derive(Default)]
pub(crate) struct Registry {
    topics: RwLock<Topics>,
}

impl Registry {
    pub(crate) fn by_name(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().by_name.get(name).cloned()
    }

    pub(crate) fn by_id(&self, id: &Uuid) -> Option<Arc<Topic>> {
        self.topics.read().by_id.get(id).cloned()
    }

    pub(crate) fn find(&self, topic: &TopicRef) -> Result<Arc<Topic>, Error> {
        match topic {
            TopicRef::Name(name) => self.by_name(name).ok_or_else(|| {
                Error::new(ErrorKind::UnknownTopicOrPartition, format!("topic {name:?} does not exist"))
            }),
            TopicRef::Id(id) => self
                .by_id(id)
                .ok_or_else(|| Error::new(ErrorKind::UnknownTopicId, format!("no topic has the id {id}"))),
        }
    }

    /// Every topic, sorted by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        let mut all: Vec<_> = self.topics.read().by_name.values().cloned().collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Topics and partitions there are.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let topics = self.topics.read();
        (topics.by_name.len(), topics.partitions)
    }

    /// Whether another topic has a name that metrics cannot tell from this one.
    pub(crate) fn collides(&self, name: &str) -> bool {
        let topics = self.topics.read();
        !topics.by_name.contains_key(name) && topics.collisions.contains_key(&name::collision_key(name))
    }

    /// Brings one topic up to date with what `read` finds. `read` runs under the lock, so that of
    /// two concurrent updates the later one cannot be overwritten by the earlier.
    pub(crate) fn update(&self, id: &Uuid, read: impl FnOnce() -> Option<Topic>) -> Option<Arc<Topic>> {
        let mut topics = self.topics.write();
        let new = read().map(Arc::new);
        topics.remove(id);
        if let Some(topic) = &new {
            topics.insert(topic);
        }
        new
    }

    /// Takes a topic out of sight.
    pub(crate) fn remove(&self, id: &Uuid) {
        self.topics.write().remove(id);
    }
}

impl Topics {
    fn insert(&mut self, topic: &Arc<Topic>) {
        self.by_name.insert(topic.name.clone(), Arc::clone(topic));
        self.by_id.insert(topic.id, Arc::clone(topic));
        *self.collisions.entry(name::collision_key(&topic.name)).or_default() += 1;
        self.partitions += topic.partitions.len();
    }

    fn remove(&mut self, id: &Uuid) {
        let Some(topic) = self.by_id.remove(id) else {
            return;
        };
        // A topic of the same name and another id may have come since.
        if self.by_name.get(&topic.name).is_some_and(|current| current.id == topic.id) {
            self.by_name.remove(&topic.name);
        }
        let key = name::collision_key(&topic.name);
        if let Some(count) = self.collisions.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.collisions.remove(&key);
            }
        }
        self.partitions = self.partitions.saturating_sub(topic.partitions.len());
    }
}
