//! What is archived, and sealing by command.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidemill_state::{ArchivedObject, PartitionId};

use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::topics::Topic;

/// The archive of one topic.
#[derive(Clone, Debug)]
pub struct TopicArchive {
    /// The topic.
    pub topic: Arc<Topic>,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionArchive>,
}

/// The archive of one partition.
#[derive(Clone, Debug)]
pub struct PartitionArchive {
    /// The partition's number.
    pub partition: i32,
    /// First offset there is.
    pub log_start_offset: i64,
    /// Everything below is archived.
    pub archived_end: i64,
    /// Where committed records end.
    pub last_stable_offset: i64,
    /// Where the log ends.
    pub high_watermark: i64,
    /// First offset that is in the log on local disk, if any is.
    pub hot_start: Option<i64>,
    /// The live objects, by offset.
    pub objects: Vec<Arc<ArchivedObject>>,
}

impl Broker {
    /// What of a topic (or of every topic) is archived: its live objects, in offset order.
    pub fn archive_status(&self, topic: Option<&str>) -> Result<Vec<TopicArchive>, Error> {
        let topics = match topic {
            Some(name) => vec![self.registry.find(&name.into())?],
            None => self.topics(),
        };
        Ok(topics.into_iter().map(|topic| self.archive_of(topic)).collect())
    }

    fn archive_of(&self, topic: Arc<Topic>) -> TopicArchive {
        let partitions = (0..topic.partition_count()).filter_map(|partition| {
            let target = self.partition_of(Arc::clone(&topic), partition).ok()?;
            let hot_start = target.journal.hot_start(&target.id);
            target.journal.state(|state| {
                let state = state.partition(&target.id)?;
                Some(PartitionArchive {
                    partition,
                    log_start_offset: state.log_start_offset,
                    archived_end: state.archived_end,
                    last_stable_offset: state.last_stable_offset,
                    high_watermark: state.high_watermark,
                    hot_start,
                    objects: state.objects().values().cloned().collect(),
                })
            })
        });
        TopicArchive { partitions: partitions.collect(), topic }
    }

    /// Seals what a topic has now, up to its last stable offsets. With `wait`, returns when it is
    /// archived or cannot be.
    pub async fn seal(&self, topic: &str, wait: bool) -> Result<(), Error> {
        let topic = self.registry.find(&topic.into())?;
        let mut wanted = BTreeMap::new();
        for partition in 0..topic.partition_count() {
            let target = self.partition_of(Arc::clone(&topic), partition)?;
            let marks = target.watermarks()?;
            if marks.archived_end < marks.last_stable_offset {
                wanted.insert(target.id, marks.last_stable_offset);
            }
        }
        if wait {
            self.housekeeping.waited_for.lock().extend(wanted.keys().map(|id| (*id, None)));
        }
        for (id, upto) in &wanted {
            self.housekeeping.want(*id, *upto);
        }
        let result = if wait { self.wait_until_archived(&wanted).await } else { Ok(()) };
        self.housekeeping.waited_for.lock().retain(|id, _| !wanted.contains_key(id));
        result
    }

    async fn wait_until_archived(&self, wanted: &BTreeMap<PartitionId, i64>) -> Result<(), Error> {
        let mut left: Vec<(PartitionId, i64)> = wanted.iter().map(|(id, upto)| (*id, *upto)).collect();
        loop {
            let progress = self.housekeeping.progress.notified();
            tokio::pin!(progress);
            progress.as_mut().enable();
            left.retain(|(id, upto)| {
                let marks = self.partition_by_id(*id).and_then(|target| target.watermarks().ok());
                marks.is_some_and(|marks| marks.archived_end < *upto)
            });
            if left.is_empty() {
                return Ok(());
            }
            let failed = {
                let waited_for = self.housekeeping.waited_for.lock();
                left.iter().find_map(|(id, _)| waited_for.get(id).cloned().flatten())
            };
            if let Some(reason) = failed {
                return Err(Error::new(ErrorKind::KafkaStorageError, reason));
            }
            tokio::select! {
                () = progress => {}
                () = self.stopping.cancelled() => {
                    return Err(Error::new(ErrorKind::NotLeaderOrFollower, "the broker is stopping"));
                }
            }
        }
    }
}
