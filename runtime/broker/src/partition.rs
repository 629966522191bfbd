//! A partition that a request is about: its topic, and the journal it lives on.

use std::sync::Arc;

use tidemill_journal::Journal;
use tidemill_state::{PartitionId, PartitionState};

use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::topics::{Topic, TopicRef};

/// A partition that was found. Cheap to clone, and holds nothing that the partition would miss.
#[derive(Clone)]
pub(crate) struct Partition {
    pub(crate) topic: Arc<Topic>,
    pub(crate) id: PartitionId,
    pub(crate) journal: Journal,
}

/// Where a partition's log begins, ends, and how far it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// First offset there is.
    pub log_start_offset: i64,
    /// First offset that is not archived.
    pub archived_end: i64,
    /// Where committed records end.
    pub last_stable_offset: i64,
    /// Where the log ends.
    pub high_watermark: i64,
    /// The epoch of the newest record. A leader of a later term raises it with its first record.
    pub leader_epoch: i32,
}

fn leader_epoch(partition: &PartitionState) -> i32 {
    partition.leader_epochs.last().map_or(partition.leader_epoch_base, |newest| newest.epoch)
}

impl Broker {
    /// Finds a partition by its topic's name or id.
    pub(crate) fn partition(&self, topic: &TopicRef, partition: i32) -> Result<Partition, Error> {
        let topic = self.registry.find(topic)?;
        self.partition_of(topic, partition)
    }

    /// Finds a partition by its id; none if its topic is gone.
    pub(crate) fn partition_by_id(&self, id: PartitionId) -> Option<Partition> {
        let topic = self.registry.by_id(&id.topic_id)?;
        self.partition_of(topic, id.partition).ok()
    }

    pub(crate) fn partition_of(&self, topic: Arc<Topic>, partition: i32) -> Result<Partition, Error> {
        let placement =
            topic.placement(partition).ok_or_else(|| Error::unknown_partition(&topic.name, partition))?;
        let journal = self.journals.data(placement.journal)?.clone();
        Ok(Partition { id: PartitionId { topic_id: topic.id, partition }, topic, journal })
    }

    /// Where a partition begins and ends.
    pub fn watermarks(&self, topic: &TopicRef, partition: i32) -> Result<Watermarks, Error> {
        self.partition(topic, partition)?.watermarks()
    }
}

impl Partition {
    /// Where the partition begins and ends now.
    pub(crate) fn watermarks(&self) -> Result<Watermarks, Error> {
        self.journal
            .state(|state| {
                state.partition(&self.id).map(|partition| Watermarks {
                    log_start_offset: partition.log_start_offset,
                    archived_end: partition.archived_end,
                    last_stable_offset: partition.last_stable_offset,
                    high_watermark: partition.high_watermark,
                    leader_epoch: leader_epoch(partition),
                })
            })
            .ok_or_else(|| Error::unknown_partition(&self.topic.name, self.id.partition))
    }

    /// Kafka's fencing: a request that names a leader epoch must name the current one. -1 names none.
    pub(crate) fn check_leader_epoch(&self, current: &Watermarks, asked: i32) -> Result<(), Error> {
        if asked < 0 || asked == current.leader_epoch {
            return Ok(());
        }
        let kind = if asked < current.leader_epoch {
            ErrorKind::FencedLeaderEpoch
        } else {
            ErrorKind::UnknownLeaderEpoch
        };
        let now = current.leader_epoch;
        Err(Error::new(
            kind,
            format!("{}-{}: leader epoch {asked}, now {now}", self.topic.name, self.id.partition),
        ))
    }
}
