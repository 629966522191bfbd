//! The table of the broker's settings.

use std::path::PathBuf;

use super::value::{Value, ValueKind};
use super::{BrokerConfig, ConnectionOverrides};
use crate::topics::topic_config;

/// One setting of the broker.
pub(super) struct BrokerSetting {
    /// Kafka's name, or ours where Kafka has none.
    pub name: &'static str,
    /// Type of the value.
    pub kind: ValueKind,
    /// What it is for.
    pub doc: &'static str,
    /// Sets it, or says what is wrong with the text.
    pub set: fn(&mut BrokerConfig, &str) -> Result<(), String>,
    /// Prints it; none where the setting is an alias of another.
    pub get: Option<fn(&BrokerConfig) -> String>,
}

macro_rules! setting {
    ($name:literal, $field:ident: $type:ty, $doc:literal) => {
        BrokerSetting {
            name: $name,
            kind: <$type as Value>::KIND,
            doc: $doc,
            set: |config, text| {
                config.$field = <$type as Value>::parse(text)?;
                Ok(())
            },
            get: Some(|config| config.$field.print()),
        }
    };
    ($name:literal, $field:ident: $type:ty, $range:expr, $doc:literal) => {
        BrokerSetting {
            name: $name,
            kind: <$type as Value>::KIND,
            doc: $doc,
            set: |config, text| {
                let range: std::ops::RangeInclusive<$type> = $range;
                let value = <$type as Value>::parse(text)?;
                if !range.contains(&value) {
                    return Err(format!("expected a number from {} to {}", range.start(), range.end()));
                }
                config.$field = value.try_into().map_err(|_| "out of range".to_owned())?;
                Ok(())
            },
            get: Some(|config| config.$field.to_string()),
        }
    };
}

/// A setting that gives a topic default in another unit.
macro_rules! alias {
    ($name:literal, $field:ident, $factor:expr, $doc:literal) => {
        BrokerSetting {
            name: $name,
            kind: ValueKind::Int,
            doc: $doc,
            set: |config, text| {
                let value = i64::from(i32::parse(text)?);
                config.topic_defaults.$field = if value < 0 { -1 } else { value * $factor };
                Ok(())
            },
            get: None,
        }
    };
}

/// Settings of the broker itself; topic defaults come from the table of topic settings.
pub(super) static SETTINGS: &[BrokerSetting] = &[
    BrokerSetting {
        name: "data.dir",
        kind: ValueKind::String,
        doc: "Where journals, caches and (by default) the object store live.",
        set: |config, text| {
            config.data_dir = PathBuf::from(text);
            Ok(())
        },
        get: Some(|config| config.data_dir.display().to_string()),
    },
    setting!("kafka.addr", kafka_addr: String, "Where the Kafka protocol is served."),
    BrokerSetting {
        name: "advertised.kafka.addr",
        kind: ValueKind::String,
        doc: "What clients are told to connect to.",
        set: |config, text| {
            config.advertised_kafka_addr = Some(text.to_owned()).filter(|text| !text.is_empty());
            Ok(())
        },
        get: Some(|config| config.advertised_kafka_addr.clone().unwrap_or_default()),
    },
    setting!("http.addr", http_addr: String, "Where HTTP is served."),
    BrokerSetting {
        name: "object.store",
        kind: ValueKind::String,
        doc: "The bucket: file:///…, s3://bucket/prefix, gs://…, az://….",
        set: |config, text| {
            config.object_store = Some(text.to_owned()).filter(|text| !text.is_empty());
            Ok(())
        },
        get: Some(|config| config.object_store.clone().unwrap_or_default()),
    },
    setting!("node.id", node_id: i32, 0..=i32::MAX, "This broker's id."),
    setting!("journals", journals: i32, 0..=super::MOST_JOURNALS.cast_signed(),
        "Data journals that new partitions are spread over; 0 takes one for each four cores."),
    setting!("num.partitions", num_partitions: i32, 1..=10_000, "Partitions of a topic created without a count."),
    setting!("auto.create.topics.enable", auto_create_topics_enable: bool,
        "Whether asking for a topic that does not exist creates it."),
    setting!("delete.topic.enable", delete_topic_enable: bool, "Whether topics can be deleted."),
    setting!("max.partitions.per.topic", max_partitions_per_topic: i32, 1..=100_000, "Most partitions of one topic."),
    setting!("max.partitions", max_partitions: i32, 1..=10_000_000, "Most partitions of this broker."),
    setting!("socket.request.max.bytes", socket_request_max_bytes: i32, 1024..=i32::MAX, "Largest request frame."),
    setting!("max.connections", max_connections: i32, 1..=i32::MAX, "Most connections at a time."),
    setting!("max.connections.per.ip", max_connections_per_ip: i32, 0..=i32::MAX,
        "Most connections from one address at a time."),
    setting!("max.connections.per.ip.overrides", max_connections_per_ip_overrides: ConnectionOverrides,
        "Hosts or addresses with another bound than max.connections.per.ip: host:count,127.0.0.1:count."),
    setting!("queued.max.request.bytes", queued_max_request_bytes: i64, -1..=i64::MAX,
        "Bytes of all requests in memory together, beyond which connections are not read from; -1 takes 512 MiB."),
    setting!("connections.max.idle.ms", connections_max_idle_ms: i64, 1..=i64::MAX,
        "A connection idle for longer is closed."),
    setting!("fetch.max.bytes", fetch_max_bytes: i32, 1024..=(512 << 20), "Largest answer to one fetch."),
    setting!("fetch.read.ahead.bytes", fetch_read_ahead_bytes: i64, 0..=(1 << 40),
        "Most bytes read ahead for consumers that go from front to back; 0 reads nothing ahead."),
    setting!("max.incremental.fetch.session.cache.slots", max_incremental_fetch_session_cache_slots: i32,
        0..=100_000, "Most incremental fetch sessions; 0 gives none."),
    setting!("offset.metadata.max.bytes", offset_metadata_max_bytes: i32, 0..=(1 << 20),
        "Longest note a client may keep with an offset."),
    setting!("group.min.session.timeout.ms", group_min_session_timeout_ms: i32, 1..=i32::MAX,
        "Shortest session timeout a group member may ask for."),
    setting!("group.max.session.timeout.ms", group_max_session_timeout_ms: i32, 1..=i32::MAX,
        "Longest session timeout a group member may ask for."),
    setting!("group.initial.rebalance.delay.ms", group_initial_rebalance_delay_ms: i32, 0..=i32::MAX,
        "How long an empty group waits for more members before its first rebalance."),
    setting!("group.max.size", group_max_size: i32, 1..=i32::MAX, "Most members of a group."),
    setting!("offsets.retention.minutes", offsets_retention_minutes: i32, 1..=i32::MAX,
        "How long committed offsets are kept after the group became empty, or its members no longer subscribe to the topic."),
    setting!("offsets.retention.check.interval.ms", offsets_retention_check_interval_ms: i64, 1..=i64::MAX,
        "How often old offsets are looked for."),
    setting!("transaction.max.timeout.ms", transaction_max_timeout_ms: i32, 1..=i32::MAX,
        "Longest transaction timeout that a producer may ask for."),
    setting!("transactional.id.expiration.ms", transactional_id_expiration_ms: i32, 1..=i32::MAX,
        "How long a transactional id that nobody uses is remembered."),
    setting!("transaction.abort.timed.out.transaction.cleanup.interval.ms",
        transaction_abort_timed_out_transaction_cleanup_interval_ms: i32, 1..=i32::MAX,
        "How often transactions are looked for that have been open for longer than their timeout."),
    setting!("transaction.remove.expired.transaction.cleanup.interval.ms",
        transaction_remove_expired_transaction_cleanup_interval_ms: i32, 1..=i32::MAX,
        "How often transactional ids are looked for that nobody uses any more."),
    setting!("producer.id.expiration.ms", producer_id_expiration_ms: i32, 1..=i32::MAX,
        "How long a partition remembers a silent producer."),
    setting!("quota.window.num", quota_window_num: i32, 1..=3600,
        "Samples that rates of clients with quotas are taken over."),
    setting!("quota.window.size.seconds", quota_window_size_seconds: i32, 1..=3600, "Length of one such sample."),
    setting!("log.retention.check.interval.ms", log_retention_check_interval_ms: i64, 1..=i64::MAX,
        "How often retention is looked at."),
    setting!("log.segment.delete.delay.ms", log_segment_delete_delay_ms: i64, 0..=i64::MAX,
        "How long an object stays in the bucket after its last record is out of reach."),
    setting!("archive.gc.interval.ms", archive_gc_interval_ms: i64, 1..=i64::MAX,
        "How often the bucket is searched for objects nobody committed."),
    setting!("archive.gc.grace.ms", archive_gc_grace_ms: i64, 0..=i64::MAX,
        "How old an uncommitted object must be to be deleted."),
    setting!("archive.cache.bytes", archive_cache_bytes: i64, 0..=i64::MAX,
        "Bound of the local cache of archived objects."),
    setting!("archive.page.cache.bytes", archive_page_cache_bytes: i64, 0..=i64::MAX,
        "Bytes of the newest archived objects that stay in the operating system's page cache, if the bucket is a folder."),
    setting!("archive.fetch.concurrency", archive_fetch_concurrency: i32, 1..=1024, "Archived reads at a time."),
    setting!("seal.concurrency", seal_concurrency: i32, 1..=64, "Objects sealed at a time."),
    setting!("hot.bytes", hot_bytes: i64, (1 << 20)..=i64::MAX, "Bound of the hot part of the data directory."),
    setting!("disk.reserve.bytes", disk_reserve_bytes: i64, 0..=i64::MAX,
        "Bytes kept free on the disk so that sealing and trimming can always go on."),
    setting!("wal.segment.bytes", wal_segment_bytes: i64, (64 << 10)..=(4 << 30), "Size of one WAL file."),
    setting!("hot.cache.bytes", hot_cache_bytes: i64, 0..=i64::MAX,
        "Bound of the in-memory cache of recent batches, over all journals."),
    setting!("hot.page.cache.bytes", hot_page_cache_bytes: i64, 0..=i64::MAX,
        "Bytes of the newest records that stay in the operating system's page cache, over all journals."),
    setting!("hot.direct.writes", hot_direct_writes: bool,
        "Whether new records are written past the operating system's page cache while hardly any are read from there."),
    setting!("cpu.workers", cpu_workers: i32, 0..=1024,
        "Threads that validate and decompress record batches; 0 takes one per core."),
    setting!("metrics.max.topics", metrics_max_topics: i32, 0..=1_000_000,
        "Most topics that metrics name one by one."),
    setting!("telemetry.max.bytes", telemetry_max_bytes: i32, 1..=(64 << 20),
        "Largest push of metrics by a client, compressed."),
    setting!("client.metrics.max.series", client_metrics_max_series: i32, 0..=10_000_000,
        "Most values kept of the metrics that clients push; 0 takes no metrics of clients."),
    alias!("log.retention.hours", retention_ms, 3_600_000, "log.retention.ms in hours."),
    alias!("log.retention.minutes", retention_ms, 60_000, "log.retention.ms in minutes."),
    alias!("log.roll.hours", segment_ms, 3_600_000, "log.roll.ms in hours."),
];

/// Settings of the broker itself that may change while it runs; all defaults of topics may.
const DYNAMIC: &[&str] = &[
    "auto.create.topics.enable",
    "delete.topic.enable",
    "max.connections",
    "max.connections.per.ip",
    "max.connections.per.ip.overrides",
    "num.partitions",
    "offsets.retention.check.interval.ms",
    "offsets.retention.minutes",
    "producer.id.expiration.ms",
];

/// Whether a setting of this very name may change while the broker runs; none if there is no such.
pub(super) fn is_dynamic(name: &str) -> Option<bool> {
    let topic_default = topic_config::SETTINGS.iter().any(|setting| setting.broker_name == name);
    if topic_default {
        return Some(name != topic_config::PLACEMENT_GROUP);
    }
    SETTINGS.iter().any(|setting| setting.name == name).then(|| DYNAMIC.contains(&name))
}

/// The spelling that all spellings of a name share.
pub(super) fn canonical(name: &str) -> String {
    let dotted = name.trim().to_ascii_lowercase().replace(['-', '_'], ".");
    dotted.strip_prefix("tidemill.").map(str::to_owned).unwrap_or(dotted)
}

/// The names of all settings, as documented.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|s| s.name).chain(topic_config::SETTINGS.iter().map(|s| s.broker_name))
}

/// Sets one setting by any spelling of its name; none if there is no such setting.
pub(super) fn set(config: &mut BrokerConfig, name: &str, text: &str) -> Option<Result<(), String>> {
    let name = canonical(name);
    if let Some(setting) = SETTINGS.iter().find(|s| canonical(s.name) == name) {
        return Some((setting.set)(config, text));
    }
    let topic = topic_config::SETTINGS.iter().find(|s| canonical(s.broker_name) == name)?;
    Some((topic.set)(&mut config.topic_defaults, text))
}

/// A broker setting as DescribeConfigs and the console show it.
#[derive(Clone, Debug)]
pub struct Described {
    /// Its name.
    pub name: &'static str,
    /// Its value now.
    pub value: String,
    /// The type of the value.
    pub kind: ValueKind,
    /// What it is for.
    pub doc: &'static str,
    /// Whether the value is the built-in default.
    pub is_default: bool,
}

/// Every setting of a broker with its value.
#[must_use]
pub fn describe(config: &BrokerConfig) -> Vec<Described> {
    let default = BrokerConfig::default();
    let own = SETTINGS.iter().filter_map(|s| {
        let get = s.get?;
        let value = get(config);
        let is_default = value == get(&default);
        Some(Described { name: s.name, value, kind: s.kind, doc: s.doc, is_default })
    });
    let topic = topic_config::SETTINGS.iter().map(|s| {
        let value = (s.get)(&config.topic_defaults);
        let is_default = value == (s.get)(&default.topic_defaults);
        Described { name: s.broker_name, value, kind: s.kind, doc: s.doc, is_default }
    });
    own.chain(topic).collect()
}
