//! What the broker counts. Labels are bounded: beyond a number of topics the rest is counted as one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use parking_lot::{Mutex, RwLock};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The label of everything beyond the bound. Not a valid topic name, so it is nobody's.
const OTHERS: &str = "(others)";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TopicLabel {
    topic: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabel {
    topic: String,
    source: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JournalLabel {
    journal: u32,
}

/// The counters of one topic, found once per request.
#[derive(Clone)]
pub(crate) struct TopicMetrics(Arc<TopicCounters>);

struct TopicCounters {
    produced_bytes: Counter,
    produced_records: Counter,
    fetched_hot: Counter,
    fetched_archive: Counter,
}

impl TopicMetrics {
    pub(crate) fn produced(&self, bytes: u64, records: u64) {
        self.0.produced_bytes.inc_by(bytes);
        self.0.produced_records.inc_by(records);
    }

    pub(crate) fn fetched_hot(&self, bytes: u64) {
        self.0.fetched_hot.inc_by(bytes);
    }

    pub(crate) fn fetched_archive(&self, bytes: u64) {
        self.0.fetched_archive.inc_by(bytes);
    }
}

/// A fetch that waits, counted as long as this lives.
pub(crate) struct WaitingFetch(Gauge);

impl Drop for WaitingFetch {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Everything the broker counts, and the registry it is scraped from.
pub(crate) struct Metrics {
    pub(crate) registry: Arc<Mutex<Registry>>,
    topics: RwLock<HashMap<String, TopicMetrics>>,
    max_topics: usize,
    produced_bytes: Family<TopicLabel, Counter>,
    produced_records: Family<TopicLabel, Counter>,
    fetched_bytes: Family<SourceLabel, Counter>,
    sealed_objects: Family<ReasonLabel, Counter>,
    pub(crate) sealed_bytes: Counter,
    pub(crate) seal_failures: Counter,
    pub(crate) archive_failing: Gauge,
    pub(crate) objects_deleted: Counter,
    pub(crate) read_ahead_hits: Counter,
    pub(crate) fetch_looks: Counter,
    fetch_sessions: Gauge,
    fetch_session_partitions: Gauge,
    fetch_session_evictions: Gauge,
    waiting_fetches: Gauge,
    telemetry_clients: Gauge,
    telemetry_series: Gauge,
    pub(crate) telemetry_pushes: Counter,
    pub(crate) telemetry_dropped: Counter,
    pub(crate) topic_count: Gauge,
    pub(crate) partition_count: Gauge,
    wal_bytes: Family<JournalLabel, Gauge<i64, AtomicI64>>,
}

impl Metrics {
    pub(crate) fn new(max_topics: usize) -> Self {
        let metrics = Self {
            registry: Arc::default(),
            topics: RwLock::default(),
            max_topics,
            produced_bytes: Family::default(),
            produced_records: Family::default(),
            fetched_bytes: Family::default(),
            sealed_objects: Family::default(),
            sealed_bytes: Counter::default(),
            seal_failures: Counter::default(),
            archive_failing: Gauge::default(),
            objects_deleted: Counter::default(),
            read_ahead_hits: Counter::default(),
            fetch_looks: Counter::default(),
            fetch_sessions: Gauge::default(),
            fetch_session_partitions: Gauge::default(),
            fetch_session_evictions: Gauge::default(),
            waiting_fetches: Gauge::default(),
            telemetry_clients: Gauge::default(),
            telemetry_series: Gauge::default(),
            telemetry_pushes: Counter::default(),
            telemetry_dropped: Counter::default(),
            topic_count: Gauge::default(),
            partition_count: Gauge::default(),
            wal_bytes: Family::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&self) {
        let mut registry = self.registry.lock();
        let registry = registry.sub_registry_with_prefix("tidemill");
        // The registry appends `_total` to counters.
        registry.register("produce_bytes", "Bytes of record batches appended", self.produced_bytes.clone());
        registry.register("produce_records", "Records appended", self.produced_records.clone());
        registry.register("fetch_bytes", "Bytes of record batches served", self.fetched_bytes.clone());
        registry.register(
            "seal_objects",
            "Archived objects committed, by what made them due",
            self.sealed_objects.clone(),
        );
        registry.register("seal_bytes", "Bytes of record batches archived", self.sealed_bytes.clone());
        registry.register("seal_failures", "Attempts to archive that failed", self.seal_failures.clone());
        registry.register(
            "archive_failing",
            "1 while archiving fails and is being tried again",
            self.archive_failing.clone(),
        );
        registry.register(
            "archive_objects_deleted",
            "Archived objects deleted",
            self.objects_deleted.clone(),
        );
        registry.register(
            "fetch_read_ahead_hits",
            "Reads whose records had been read ahead",
            self.read_ahead_hits.clone(),
        );
        self.register_sessions(registry);
        self.register_telemetry(registry);
        registry.register("fetch_waiting", "Fetches that wait for records", self.waiting_fetches.clone());
        registry.register("topics", "Topics", self.topic_count.clone());
        registry.register("partitions", "Partitions", self.partition_count.clone());
        registry.register("wal_bytes", "Size of a journal's log on disk", self.wal_bytes.clone());
    }

    fn register_sessions(&self, registry: &mut Registry) {
        let looks = "Partitions that fetches have looked at";
        registry.register("fetch_looks", looks, self.fetch_looks.clone());
        registry.register("fetch_sessions", "Incremental fetch sessions", self.fetch_sessions.clone());
        let partitions = "Partitions of all incremental fetch sessions";
        registry.register("fetch_session_partitions", partitions, self.fetch_session_partitions.clone());
        let evictions = "Incremental fetch sessions that made room for others since the start";
        registry.register("fetch_session_evictions", evictions, self.fetch_session_evictions.clone());
    }

    fn register_telemetry(&self, registry: &mut Registry) {
        let clients = "Clients that asked of late which metrics to push";
        registry.register("client_metrics_clients", clients, self.telemetry_clients.clone());
        let series = "Values kept of the metrics that clients pushed";
        registry.register("client_metrics_series", series, self.telemetry_series.clone());
        let pushes = "Pushes of metrics by clients";
        registry.register("client_metrics_pushes", pushes, self.telemetry_pushes.clone());
        let dropped = "Values that clients pushed and that were not kept";
        registry.register("client_metrics_dropped", dropped, self.telemetry_dropped.clone());
    }

    /// Clients, and values of their metrics.
    pub(crate) fn set_client_metrics(&self, (clients, series): (usize, usize)) {
        self.telemetry_clients.set(i64::try_from(clients).unwrap_or(i64::MAX));
        self.telemetry_series.set(i64::try_from(series).unwrap_or(i64::MAX));
    }

    /// Sessions, their partitions, and evictions so far.
    pub(crate) fn set_fetch_sessions(&self, (sessions, partitions, evictions): (usize, usize, u64)) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.fetch_sessions.set(number(sessions));
        self.fetch_session_partitions.set(number(partitions));
        self.fetch_session_evictions.set(i64::try_from(evictions).unwrap_or(i64::MAX));
    }

    /// The counters of a topic.
    pub(crate) fn topic(&self, name: &str) -> TopicMetrics {
        if let Some(found) = self.topics.read().get(name) {
            return found.clone();
        }
        let mut topics = self.topics.write();
        let name = if topics.len() < self.max_topics { name } else { OTHERS };
        topics.entry(name.to_owned()).or_insert_with(|| self.topic_counters(name)).clone()
    }

    fn topic_counters(&self, topic: &str) -> TopicMetrics {
        let label = TopicLabel { topic: topic.to_owned() };
        let source = |source| SourceLabel { topic: topic.to_owned(), source };
        // Owned: a guard of the first would still be held when the second wants the lock.
        TopicMetrics(Arc::new(TopicCounters {
            produced_bytes: self.produced_bytes.get_or_create_owned(&label),
            produced_records: self.produced_records.get_or_create_owned(&label),
            fetched_hot: self.fetched_bytes.get_or_create_owned(&source("hot")),
            fetched_archive: self.fetched_bytes.get_or_create_owned(&source("archive")),
        }))
    }

    /// Makes room for another topic's counters.
    pub(crate) fn forget_topic(&self, name: &str) {
        let label = TopicLabel { topic: name.to_owned() };
        self.topics.write().remove(name);
        self.produced_bytes.remove(&label);
        self.produced_records.remove(&label);
        for source in ["hot", "archive"] {
            self.fetched_bytes.remove(&SourceLabel { topic: name.to_owned(), source });
        }
    }

    /// Counts a fetch that waits until the answer is dropped.
    pub(crate) fn waiting_fetch(&self) -> WaitingFetch {
        self.waiting_fetches.inc();
        WaitingFetch(self.waiting_fetches.clone())
    }

    pub(crate) fn sealed(&self, reason: &'static str, bytes: u64) {
        self.sealed_objects.get_or_create(&ReasonLabel { reason }).inc();
        self.sealed_bytes.inc_by(bytes);
    }

    pub(crate) fn set_wal_bytes(&self, journal: u32, bytes: u64) {
        let gauge = self.wal_bytes.get_or_create_owned(&JournalLabel { journal });
        gauge.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_beyond_the_bound_are_counted_together() {
        let metrics = Metrics::new(1);
        metrics.topic("a").fetched_hot(1);
        metrics.topic("b").fetched_hot(2);
        metrics.topic("c").fetched_hot(3);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &metrics.registry.lock()).unwrap();
        assert!(text.contains(r#"tidemill_fetch_bytes_total{topic="a",source="hot"} 1"#), "{text}");
        assert!(text.contains(r#"tidemill_fetch_bytes_total{topic="(others)",source="hot"} 5"#), "{text}");
        metrics.forget_topic("a");
        metrics.topic("d").fetched_hot(7);
        text.clear();
        prometheus_client::encoding::text::encode(&mut text, &metrics.registry.lock()).unwrap();
        assert!(!text.contains(r#"topic="a""#), "{text}");
    }
}
