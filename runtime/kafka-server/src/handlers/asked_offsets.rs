//! Offsets that a group is asked to commit, in a transaction or not: which of them can be.

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use tidemill_groups::{CommittedOffset, OffsetKey};

use super::optional;
use crate::codes;
use crate::service::Call;

/// What is asked for one partition.
pub(super) struct Asked<'a> {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
    pub(super) metadata: Option<&'a StrBytes>,
}

/// The offsets that can be committed, and the code of each partition that was asked for.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) offsets: Vec<CommittedOffset>,
    topics: Vec<(TopicName, Vec<(i32, i16)>)>,
}

impl Checked {
    /// Checks what is asked for a topic's partitions.
    pub(super) fn add<'a>(
        &mut self,
        call: &Call<'_>,
        name: &TopicName,
        partitions: impl Iterator<Item = Asked<'a>>,
    ) {
        let topic = call.broker().topic(name);
        let mut codes = Vec::with_capacity(partitions.size_hint().0);
        for asked in partitions {
            let topic = topic.as_ref().filter(|topic| topic.placement(asked.partition).is_some());
            let metadata = optional(asked.metadata).unwrap_or_default();
            let code = match topic {
                None => codes::UNKNOWN_TOPIC_OR_PARTITION,
                Some(_) if metadata.len() > call.groups().options().offset_metadata_max_bytes => {
                    codes::OFFSET_METADATA_TOO_LARGE
                }
                Some(topic) => {
                    self.offsets.push(CommittedOffset {
                        key: OffsetKey { topic_id: topic.id, partition: asked.partition },
                        offset: asked.offset,
                        leader_epoch: asked.leader_epoch,
                        metadata,
                    });
                    codes::NONE
                }
            };
            codes.push((asked.partition, code));
        }
        self.topics.push((name.clone(), codes));
    }

    /// The code of each partition, when those that could be committed were refused with `refusal`.
    pub(super) fn codes(self, refusal: Option<i16>) -> impl Iterator<Item = (TopicName, Vec<(i32, i16)>)> {
        let refusal = refusal.unwrap_or(codes::NONE);
        self.topics.into_iter().map(move |(name, mut partitions)| {
            let accepted = partitions.iter_mut().filter(|(_, code)| *code == codes::NONE);
            accepted.for_each(|(_, code)| *code = refusal);
            (name, partitions)
        })
    }
}
