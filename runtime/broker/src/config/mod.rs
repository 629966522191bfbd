//! The broker's configuration: one table of settings, filled from a TOML file, the environment and flags.
//!
//! Settings that Kafka has keep Kafka's names. A name may be written with dots, dashes or underscores
//! in any place (`num.partitions`, `num-partitions`, `TIDEMILL_NUM_PARTITIONS`): they are the same
//! setting. Flags win over the environment, which wins over the file.

mod connection_overrides;
mod describe;
mod group;
mod live;
mod load;
#[cfg(test)]
mod page;
mod settings;
pub(crate) mod unsupported;
pub(crate) mod value;

use std::path::PathBuf;

pub use connection_overrides::ConnectionOverrides;
pub use describe::{ConfigEntry, ConfigSource, ConfigSynonym};
pub use group::{alter_group_configs, describe_group_configs};
pub(crate) use live::overlay;
pub use load::Sources;
pub use settings::{Described, describe};
pub use value::ValueKind;

use crate::topics::TopicConfig;

/// Everything that can be set on a broker.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerConfig {
    /// Where journals, caches and (by default) the object store live.
    pub data_dir: PathBuf,
    /// Where the Kafka protocol is served.
    pub kafka_addr: String,
    /// What clients are told to connect to; the listening address if not set.
    pub advertised_kafka_addr: Option<String>,
    /// Where HTTP is served.
    pub http_addr: String,
    /// The bucket, as a URL; a folder in the data directory if not set.
    pub object_store: Option<String>,
    /// This broker's id.
    pub node_id: i32,
    /// Data journals; partitions are spread over them when they are created. 0 takes as many as suit the machine.
    pub journals: u32,
    /// Partitions of a topic created without a count.
    pub num_partitions: i32,
    /// Whether asking for a topic that does not exist creates it.
    pub auto_create_topics_enable: bool,
    /// Whether topics can be deleted.
    pub delete_topic_enable: bool,
    /// Most partitions of one topic.
    pub max_partitions_per_topic: i32,
    /// Most partitions of this broker.
    pub max_partitions: i32,
    /// What applies to topics that do not say otherwise.
    pub topic_defaults: TopicConfig,
    /// Largest request frame.
    pub socket_request_max_bytes: i32,
    /// Most connections at a time.
    pub max_connections: i32,
    /// Most connections from one address at a time.
    pub max_connections_per_ip: i32,
    /// The same for some addresses.
    pub max_connections_per_ip_overrides: ConnectionOverrides,
    /// A connection idle for longer is closed.
    pub connections_max_idle_ms: i64,
    /// Bytes of all requests in memory together; -1 takes 512 MiB.
    pub queued_max_request_bytes: i64,
    /// Largest answer to one fetch.
    pub fetch_max_bytes: i32,
    /// Most bytes read ahead for consumers that go from front to back.
    pub fetch_read_ahead_bytes: i64,
    /// Most incremental fetch sessions; 0 gives none.
    pub max_incremental_fetch_session_cache_slots: i32,
    /// Longest note a client may keep with an offset.
    pub offset_metadata_max_bytes: i32,
    /// Shortest session timeout a group member may ask for.
    pub group_min_session_timeout_ms: i32,
    /// Longest session timeout a group member may ask for.
    pub group_max_session_timeout_ms: i32,
    /// How long an empty group waits for more members before its first rebalance.
    pub group_initial_rebalance_delay_ms: i32,
    /// Most members of a group.
    pub group_max_size: i32,
    /// How long committed offsets of an empty group are kept.
    pub offsets_retention_minutes: i32,
    /// How often old offsets are looked for.
    pub offsets_retention_check_interval_ms: i64,
    /// Longest transaction timeout that a producer may ask for.
    pub transaction_max_timeout_ms: i32,
    /// How long a transactional id that nobody uses is remembered.
    pub transactional_id_expiration_ms: i32,
    /// How often transactions are looked for that are open for too long.
    pub transaction_abort_timed_out_transaction_cleanup_interval_ms: i32,
    /// How often transactional ids are looked for that nobody uses.
    pub transaction_remove_expired_transaction_cleanup_interval_ms: i32,
    /// How long a partition remembers a silent producer.
    pub producer_id_expiration_ms: i32,
    /// Samples that rates of clients with quotas are taken over.
    pub quota_window_num: i32,
    /// Length of one such sample.
    pub quota_window_size_seconds: i32,
    /// How often retention is looked at.
    pub log_retention_check_interval_ms: i64,
    /// How long an object stays in the bucket after its last record is out of reach.
    pub log_segment_delete_delay_ms: i64,
    /// How often the bucket is searched for objects nobody committed.
    pub archive_gc_interval_ms: i64,
    /// How old an uncommitted object must be to be deleted.
    pub archive_gc_grace_ms: i64,
    /// Bound of the local cache of archived objects.
    pub archive_cache_bytes: i64,
    /// Bytes of the newest archived objects that stay in the operating system's page cache, where the
    /// bucket is a folder.
    pub archive_page_cache_bytes: i64,
    /// Archived reads at a time.
    pub archive_fetch_concurrency: i32,
    /// Objects sealed at a time.
    pub seal_concurrency: i32,
    /// Bound of the hot part of the data directory; beyond it partitions are sealed early.
    pub hot_bytes: i64,
    /// Bytes kept free on the disk so that sealing and trimming can always go on.
    pub disk_reserve_bytes: i64,
    /// Size of one WAL file.
    pub wal_segment_bytes: i64,
    /// Bound of the in-memory cache of recent batches, over all journals.
    pub hot_cache_bytes: i64,
    /// Bytes of the newest records that stay in the operating system's page cache, over all journals.
    pub hot_page_cache_bytes: i64,
    /// Whether new records are written past the operating system's page cache while hardly any are read
    /// from there.
    pub hot_direct_writes: bool,
    /// Threads that validate and decompress record batches; 0 takes one per core.
    pub cpu_workers: i32,
    /// Most topics that metrics name one by one; the rest is counted together.
    pub metrics_max_topics: i32,
    /// Largest push of metrics by a client, compressed.
    pub telemetry_max_bytes: i32,
    /// Most values kept of the metrics that clients push; 0 takes no metrics of clients.
    pub client_metrics_max_series: i32,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("tidemill-data"),
            kafka_addr: "127.0.0.1:9092".to_owned(),
            advertised_kafka_addr: None,
            http_addr: "127.0.0.1:8080".to_owned(),
            object_store: None,
            node_id: 1,
            journals: 0,
            num_partitions: 1,
            auto_create_topics_enable: true,
            delete_topic_enable: true,
            max_partitions_per_topic: 10_000,
            max_partitions: 200_000,
            topic_defaults: TopicConfig::default(),
            socket_request_max_bytes: 100 << 20,
            max_connections: 10_000,
            max_connections_per_ip: i32::MAX,
            max_connections_per_ip_overrides: ConnectionOverrides::default(),
            connections_max_idle_ms: 600_000,
            queued_max_request_bytes: -1,
            fetch_max_bytes: 55 << 20,
            fetch_read_ahead_bytes: 64 << 20,
            max_incremental_fetch_session_cache_slots: 1000,
            offset_metadata_max_bytes: 4096,
            group_min_session_timeout_ms: 6_000,
            group_max_session_timeout_ms: 1_800_000,
            group_initial_rebalance_delay_ms: 3_000,
            group_max_size: 10_000,
            offsets_retention_minutes: 7 * 24 * 60,
            offsets_retention_check_interval_ms: 600_000,
            transaction_max_timeout_ms: 900_000,
            transactional_id_expiration_ms: 604_800_000,
            transaction_abort_timed_out_transaction_cleanup_interval_ms: 10_000,
            transaction_remove_expired_transaction_cleanup_interval_ms: 3_600_000,
            producer_id_expiration_ms: 86_400_000,
            quota_window_num: 11,
            quota_window_size_seconds: 1,
            log_retention_check_interval_ms: 300_000,
            log_segment_delete_delay_ms: 60_000,
            archive_gc_interval_ms: 6 * 3_600_000,
            archive_gc_grace_ms: 24 * 3_600_000,
            archive_cache_bytes: 1 << 30,
            archive_page_cache_bytes: 512 << 20,
            archive_fetch_concurrency: 4,
            seal_concurrency: 1,
            hot_bytes: 4 << 30,
            disk_reserve_bytes: 256 << 20,
            wal_segment_bytes: 64 << 20,
            hot_cache_bytes: 64 << 20,
            hot_page_cache_bytes: 2 << 30,
            hot_direct_writes: true,
            cpu_workers: 0,
            metrics_max_topics: 1000,
            telemetry_max_bytes: 1 << 20,
            client_metrics_max_series: 50_000,
        }
    }
}

/// A journal commits what comes together. Divided among two, the same bytes are twice as many entries of half the size,
/// and each entry costs hand-overs and a write; so a second is worth it where there are cores that have nothing else to do.
const CORES_PER_JOURNAL: usize = 4;
/// As many as can be asked for.
const MOST_JOURNALS: u32 = 64;

fn journals_for(cores: usize) -> u32 {
    u32::try_from(cores / CORES_PER_JOURNAL).unwrap_or(MOST_JOURNALS).clamp(1, MOST_JOURNALS)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

impl BrokerConfig {
    /// What clients connect to.
    #[must_use]
    pub fn advertised_addr(&self) -> &str {
        self.advertised_kafka_addr.as_deref().unwrap_or(&self.kafka_addr)
    }

    /// The bucket's URL: the one that is set, or the embedded folder.
    #[must_use]
    pub fn object_store_url(&self) -> String {
        self.object_store.clone().unwrap_or_else(|| {
            let folder = std::path::absolute(self.data_dir.join("objects"))
                .unwrap_or_else(|_| self.data_dir.join("objects"));
            format!("file://{}", folder.display())
        })
    }

    /// Threads that validate and decompress.
    pub(crate) fn cpu_worker_count(&self) -> usize {
        match usize::try_from(self.cpu_workers) {
            Ok(count) if count > 0 => count,
            _ => cores(),
        }
    }

    /// Data journals that new partitions are spread over.
    pub(crate) fn journal_count(&self) -> u32 {
        match self.journals {
            0 => journals_for(cores()),
            count => count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_journals_are_as_many_as_asked_for_or_as_the_machine_has_cores_for() {
        let asked = |count| BrokerConfig { journals: count, ..BrokerConfig::default() }.journal_count();
        assert_eq!(asked(3), 3);
        assert!(asked(0) >= 1);
        let for_cores = [1, 2, 7, 8, 16, 4096].map(journals_for);
        assert_eq!(for_cores, [1, 1, 1, 2, 4, 64]);
    }
}
