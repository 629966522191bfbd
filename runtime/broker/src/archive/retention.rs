//! Retention: how far a partition's log start may move up.

use std::sync::Arc;

use tidemill_state::{ArchivedObject, Command, Outcome, Trim};

use crate::broker::Broker;
use crate::partition::Partition;
use crate::topics::{Topic, TopicConfig};

/// What retention looks at.
struct Facts {
    log_start_offset: i64,
    high_watermark: i64,
    objects: Vec<Arc<ArchivedObject>>,
}

impl Facts {
    /// One past the last archived offset.
    fn archived_end(&self) -> Option<i64> {
        self.objects.last().map(|object| object.last_offset + 1)
    }
}

/// Looks at every partition of every topic once.
pub(super) async fn run(broker: &Broker) {
    let now_ms = broker.clock.now_ms();
    for topic in broker.topics() {
        let config = &topic.config;
        if !config.cleanup.delete || (config.retention_ms < 0 && config.retention_bytes < 0) {
            continue;
        }
        for partition in 0..topic.partition_count() {
            if broker.stopping.is_cancelled() {
                return;
            }
            look_at(broker, &topic, partition, now_ms).await;
        }
    }
}

async fn look_at(broker: &Broker, topic: &Arc<Topic>, partition: i32, now_ms: i64) {
    let Ok(target) = broker.partition_of(Arc::clone(topic), partition) else {
        return;
    };
    let hot = |high_watermark, cutoff_ms| hot_start_after(&target, high_watermark, cutoff_ms);
    let Some(start) = settled_log_start(|| facts(&target), &topic.config, now_ms, hot) else {
        return;
    };
    let trim = Trim { partition: target.id, log_start_offset: start };
    match target.journal.propose(Command::Trim(trim)).await {
        Ok(Outcome::Rejected(rejection)) => {
            tracing::warn!(topic = topic.name, partition, %rejection, "retention could not trim");
        }
        Ok(_) => tracing::debug!(topic = topic.name, partition, start, "retention moved the log start"),
        Err(error) => tracing::warn!(topic = topic.name, partition, %error, "retention could not trim"),
    }
}

/// Nothing for a partition without records.
fn facts(target: &Partition) -> Option<Facts> {
    target.journal.state(|state| {
        let partition = state.partition(&target.id)?;
        (partition.log_start_offset < partition.high_watermark).then(|| Facts {
            log_start_offset: partition.log_start_offset,
            high_watermark: partition.high_watermark,
            objects: partition.objects().values().cloned().collect(),
        })
    })
}

/// Where the hot part begins when everything older than `cutoff_ms` is gone. Records without
/// timestamps have no age, and stay until they are sealed.
fn hot_start_after(target: &Partition, high_watermark: i64, cutoff_ms: i64) -> Option<i64> {
    let newest = target.journal.max_timestamp(&target.id).ok()??;
    match target.journal.offset_for_timestamp(&target.id, cutoff_ms).ok()? {
        Some(hit) => Some(hit.base_offset),
        None if newest.max_timestamp_ms >= 0 => Some(high_watermark),
        None => None,
    }
}

/// The new log start offset, if it moves and nothing was archived meanwhile: an object that was
/// committed after the objects were looked at took its batches out of the hot part before that was
/// looked at, so neither spoke for them. The next look does. Pure.
fn settled_log_start(
    mut look: impl FnMut() -> Option<Facts>,
    config: &TopicConfig,
    now_ms: i64,
    hot: impl FnOnce(i64, i64) -> Option<i64>,
) -> Option<i64> {
    let facts = look()?;
    let hot = |cutoff_ms| hot(facts.high_watermark, cutoff_ms);
    let start = new_log_start(&facts, config, now_ms, hot)?;
    (look()?.archived_end() == facts.archived_end()).then_some(start)
}

/// The new log start offset, if it moves. Whole objects go, oldest first; batches that are still hot
/// go by age once no object is left. `hot` says where the hot part begins after a time. Pure.
fn new_log_start(
    facts: &Facts,
    config: &TopicConfig,
    now_ms: i64,
    hot: impl FnOnce(i64) -> Option<i64>,
) -> Option<i64> {
    let mut start = facts.log_start_offset;
    let mut live = facts.objects.iter().peekable();
    if config.retention_bytes >= 0 {
        let bound = config.retention_bytes.unsigned_abs();
        let mut bytes: u64 = facts.objects.iter().map(|object| object.length_bytes).sum();
        while let Some(object) = live.next_if(|object| bytes.saturating_sub(object.length_bytes) >= bound) {
            bytes = bytes.saturating_sub(object.length_bytes);
            start = start.max(object.last_offset + 1);
        }
    }
    if config.retention_ms >= 0 {
        let cutoff_ms = now_ms.saturating_sub(config.retention_ms);
        while let Some(object) = live.next_if(|object| newest_ms(object) < cutoff_ms) {
            start = start.max(object.last_offset + 1);
        }
        if live.peek().is_none() {
            start = start.max(hot(cutoff_ms).unwrap_or(start));
        }
    }
    let start = start.min(facts.high_watermark);
    (start > facts.log_start_offset).then_some(start)
}

/// The age of an object is that of its newest record; records without timestamps age from sealing.
fn newest_ms(object: &ArchivedObject) -> i64 {
    if object.max_timestamp_ms >= 0 { object.max_timestamp_ms } else { object.sealed_at_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(base_offset: i64, max_timestamp_ms: i64) -> Arc<ArchivedObject> {
        Arc::new(ArchivedObject {
            path: String::new(),
            base_offset,
            last_offset: base_offset + 9,
            length_bytes: 100,
            crc32c: 0,
            footer_bytes: 0,
            row_count: 10,
            raw_bytes: 0,
            min_timestamp_ms: 0,
            max_timestamp_ms,
            leader_epochs: vec![],
            sealed_at_ms: 50,
        })
    }

    fn facts() -> Facts {
        Facts {
            log_start_offset: 0,
            high_watermark: 40,
            objects: vec![object(0, 100), object(10, 200), object(20, 300)],
        }
    }

    fn config(retention_ms: i64, retention_bytes: i64) -> TopicConfig {
        TopicConfig { retention_ms, retention_bytes, ..TopicConfig::default() }
    }

    #[test]
    fn by_time() {
        let start = |retention_ms, now| new_log_start(&facts(), &config(retention_ms, -1), now, |_| Some(35));
        assert_eq!(start(1000, 1100), None, "exactly as old as allowed");
        assert_eq!(start(1000, 1101), Some(10));
        assert_eq!(start(1000, 1250), Some(20));
        assert_eq!(start(1000, 2000), Some(35), "objects first, then hot batches");
        assert_eq!(start(-1, i64::MAX), None);
    }

    #[test]
    fn a_fresh_object_is_not_trimmed_for_what_was_hot_before_it() {
        let facts = |objects: Vec<_>| Facts { log_start_offset: 0, high_watermark: 10, objects };
        let start = |second: Vec<Arc<ArchivedObject>>| {
            let mut looks = [vec![], second].into_iter();
            let look = || looks.next().map(facts);
            settled_log_start(look, &config(1000, -1), 1101, |high_watermark, _| Some(high_watermark))
        };
        assert_eq!(start(vec![]), Some(10), "all that is hot is old");
        assert_eq!(start(vec![object(0, 1101)]), None, "it was hot, and is not old");
    }

    #[test]
    fn by_bytes() {
        let start = |bytes| new_log_start(&facts(), &config(-1, bytes), 0, |_| None);
        assert_eq!(start(300), None);
        assert_eq!(start(201), None, "as in Kafka, at least the bound is kept");
        assert_eq!(start(200), Some(10));
        assert_eq!(start(0), Some(30));
    }

    #[test]
    fn records_without_timestamps_age_from_sealing() {
        let facts = Facts { log_start_offset: 0, high_watermark: 10, objects: vec![object(0, -1)] };
        assert_eq!(new_log_start(&facts, &config(10, -1), 60, |_| None), None);
        assert_eq!(new_log_start(&facts, &config(10, -1), 61, |_| None), Some(10));
    }
}
