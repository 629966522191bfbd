//! The settings of a topic, under Kafka's names, typed and validated.
//!
//! What is set on the topic itself is text in the metadata journal; everything else comes from the
//! broker's defaults. Settings that Kafka has and that could change nothing here (`inert`) are taken,
//! so that tools which always send them work; settings of things that are not built are refused.

use std::collections::BTreeMap;

use tidemill_records::{Compression, TimestampType};

use super::inert;
use crate::config::unsupported;
use crate::config::value::{Value, ValueKind, suggest};
use crate::error::{Error, ErrorKind};

/// What applies to one topic.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicConfig {
    /// Records older than this may be deleted; -1 keeps them for ever.
    pub retention_ms: i64,
    /// A partition larger than this loses its oldest records; -1 sets no bound.
    pub retention_bytes: i64,
    /// Hot bytes of a partition at which it is sealed, and the size of one archived object.
    pub segment_bytes: i64,
    /// Age of the oldest hot record at which a partition is sealed.
    pub segment_ms: i64,
    /// Largest record batch taken.
    pub max_message_bytes: i32,
    /// Whose clock a record's timestamp comes from.
    pub timestamp_type: TimestampType,
    /// How far a CreateTime timestamp may lie before the broker's clock.
    pub timestamp_before_max_ms: i64,
    /// How far a CreateTime timestamp may lie after the broker's clock.
    pub timestamp_after_max_ms: i64,
    /// The codec batches are stored with; none keeps what the producer chose.
    pub compression: Option<Compression>,
    /// How far the archive may lag behind.
    pub archive_max_lag_ms: i64,
    /// A partition with fewer hot bytes may wait a day before it is sealed.
    pub archive_min_bytes: i64,
    /// Topics of one placement group have equal partition numbers on equal journals.
    pub placement_group: Option<String>,
    /// Replicas that have to be in sync for `acks=all`. There is one: more refuses such produces.
    pub min_insync_replicas: i32,
    /// What happens to old records.
    pub cleanup: CleanupPolicy,
    /// Level at which the broker compresses with gzip; none for the codec's default.
    pub gzip_level: Option<i32>,
    /// Level at which the broker compresses with zstd.
    pub zstd_level: i32,
}

/// `cleanup.policy`. Compaction is accepted and keeps everything: it is not built yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Records that are out of retention go.
    pub delete: bool,
    /// The newest record of each key stays. Records have to have keys.
    pub compact: bool,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            retention_ms: 7 * 24 * 3_600_000,
            retention_bytes: -1,
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3_600_000,
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            compression: None,
            archive_max_lag_ms: 15 * 60_000,
            archive_min_bytes: 1 << 20,
            placement_group: None,
            min_insync_replicas: 1,
            cleanup: CleanupPolicy { delete: true, compact: false },
            gzip_level: None,
            zstd_level: 3,
        }
    }
}

/// Fixed when a topic is created.
pub const PLACEMENT_GROUP: &str = "tidemill.placement.group";

/// One setting: its names, and how it is read from and printed out of a [`TopicConfig`].
pub(crate) struct TopicSetting {
    /// Name on a topic.
    pub name: &'static str,
    /// Name of its default on the broker.
    pub broker_name: &'static str,
    /// Type of the value.
    pub kind: ValueKind,
    /// What it is for.
    pub doc: &'static str,
    /// Sets it, or says what is wrong with the text.
    pub set: fn(&mut TopicConfig, &str) -> Result<(), String>,
    /// Prints it.
    pub get: fn(&TopicConfig) -> String,
}

/// Reads a value and checks it against a range.
fn ranged<T: Value + PartialOrd>(text: &str, low: T, high: T) -> Result<T, String> {
    let value = T::parse(text)?;
    if value < low || value > high {
        return Err(format!("expected a number from {} to {}", low.print(), high.print()));
    }
    Ok(value)
}

macro_rules! number {
    ($name:literal, $broker:literal, $field:ident: $type:ty, $range:expr, $doc:literal) => {
        TopicSetting {
            name: $name,
            broker_name: $broker,
            kind: <$type as Value>::KIND,
            doc: $doc,
            set: |config, text| {
                let range = $range;
                config.$field = ranged::<$type>(text, *range.start(), *range.end())?;
                Ok(())
            },
            get: |config| config.$field.print(),
        }
    };
}

/// Every setting that has an effect.
pub(crate) static SETTINGS: &[TopicSetting] = &[
    number!("retention.ms", "log.retention.ms", retention_ms: i64, -1..=i64::MAX,
        "How long records are kept; -1 keeps them for ever."),
    number!("retention.bytes", "log.retention.bytes", retention_bytes: i64, -1..=i64::MAX,
        "How many bytes of a partition are kept; -1 sets no bound."),
    number!("segment.bytes", "log.segment.bytes", segment_bytes: i64, 1024..=(1 << 40),
        "Hot bytes of a partition at which they are sealed into one archived object."),
    number!("segment.ms", "log.roll.ms", segment_ms: i64, 1..=i64::MAX,
        "Age of the oldest hot record at which a partition is sealed."),
    number!("max.message.bytes", "message.max.bytes", max_message_bytes: i32, 0..=(60 << 20),
        "The largest record batch taken."),
    number!("message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms",
        timestamp_before_max_ms: i64, 0..=i64::MAX,
        "How far a producer's timestamp may lie before the broker's clock."),
    number!("message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms",
        timestamp_after_max_ms: i64, 0..=i64::MAX,
        "How far a producer's timestamp may lie after the broker's clock."),
    number!("tidemill.archive.max.lag.ms", "tidemill.archive.max.lag.ms", archive_max_lag_ms: i64, 1..=i64::MAX,
        "How far the archive may lag behind the newest record."),
    number!("tidemill.archive.min.bytes", "tidemill.archive.min.bytes", archive_min_bytes: i64, 0..=i64::MAX,
        "A partition with fewer hot bytes may wait a day before it is sealed."),
    number!("min.insync.replicas", "min.insync.replicas", min_insync_replicas: i32, 1..=i32::MAX,
        "Replicas that have to be in sync for acks=all; there is one, so with more such produces are refused."),
    TopicSetting {
        name: "message.timestamp.type",
        broker_name: "log.message.timestamp.type",
        kind: ValueKind::String,
        doc: "Whose clock a record's timestamp comes from: CreateTime or LogAppendTime.",
        set: |config, text| {
            config.timestamp_type = TimestampType::parse(text)?;
            Ok(())
        },
        get: |config| config.timestamp_type.print(),
    },
    TopicSetting {
        name: "compression.type",
        broker_name: "compression.type",
        kind: ValueKind::String,
        doc: "The codec batches are stored with: producer keeps what the producer chose.",
        set: |config, text| {
            config.compression = parse_compression(text.trim())?;
            Ok(())
        },
        get: |config| print_compression(config.compression).to_owned(),
    },
    TopicSetting {
        name: "cleanup.policy",
        broker_name: "log.cleanup.policy",
        kind: ValueKind::List,
        doc: "What happens to old records: delete, compact or both. Compaction is not built yet: all records are \
              kept as long as delete does not say otherwise.",
        set: |config, text| {
            config.cleanup = parse_cleanup(text)?;
            Ok(())
        },
        get: |config| print_cleanup(config.cleanup),
    },
    TopicSetting {
        name: "compression.gzip.level",
        broker_name: "compression.gzip.level",
        kind: ValueKind::Int,
        doc: "Level at which the broker compresses with gzip, from 1 to 9; -1 is the codec's default.",
        set: |config, text| {
            config.gzip_level = match i32::parse(text)? {
                -1 => None,
                level @ 1..=9 => Some(level),
                _ => return Err("expected -1 or a number from 1 to 9".to_owned()),
            };
            Ok(())
        },
        get: |config| config.gzip_level.unwrap_or(-1).to_string(),
    },
    number!("compression.zstd.level", "compression.zstd.level", zstd_level: i32, -131_072..=22,
        "Level at which the broker compresses with zstd."),
    TopicSetting {
        name: PLACEMENT_GROUP,
        broker_name: PLACEMENT_GROUP,
        kind: ValueKind::String,
        doc: "Topics of one placement group have equal partition numbers on equal journals; fixed at creation.",
        set: |config, text| {
            config.placement_group = Some(text.trim().to_owned()).filter(|group| !group.is_empty());
            Ok(())
        },
        get: |config| config.placement_group.clone().unwrap_or_default(),
    },
];

fn parse_cleanup(text: &str) -> Result<CleanupPolicy, String> {
    let mut policy = CleanupPolicy { delete: false, compact: false };
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word {
            "delete" => policy.delete = true,
            "compact" => policy.compact = true,
            _ => return Err("expected delete, compact or both".to_owned()),
        }
    }
    Ok(policy)
}

fn print_cleanup(policy: CleanupPolicy) -> String {
    match (policy.compact, policy.delete) {
        (true, true) => "compact,delete",
        (true, false) => "compact",
        (false, true) => "delete",
        (false, false) => "",
    }
    .to_owned()
}

fn parse_compression(text: &str) -> Result<Option<Compression>, String> {
    Ok(Some(match text {
        "producer" => return Ok(None),
        "uncompressed" => Compression::None,
        "gzip" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => return Err("expected producer, uncompressed, gzip, snappy, lz4 or zstd".to_owned()),
    }))
}

fn print_compression(compression: Option<Compression>) -> &'static str {
    match compression {
        None => "producer",
        Some(Compression::None) => "uncompressed",
        Some(Compression::Gzip) => "gzip",
        Some(Compression::Snappy) => "snappy",
        Some(Compression::Lz4) => "lz4",
        Some(Compression::Zstd) => "zstd",
    }
}

impl TopicConfig {
    /// The broker's defaults with a topic's own settings on top.
    pub fn resolve(defaults: &Self, own: &BTreeMap<String, String>) -> Result<Self, Error> {
        let mut config = defaults.clone();
        config.placement_group = None;
        for (name, value) in own {
            config.set(name, value)?;
        }
        Ok(config)
    }

    /// Sets one setting by its name on a topic.
    fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let invalid = |message: String| Error::new(ErrorKind::InvalidConfig, message);
        if let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) {
            return (setting.set)(self, value)
                .map_err(|wrong| invalid(format!("{name}={value} is not valid: {wrong}")));
        }
        if let Some(setting) = inert::find(name) {
            return setting
                .check(value)
                .map_err(|wrong| invalid(format!("{name}={value} is not valid: {wrong}")));
        }
        if let Some(why) = unsupported::topic(name) {
            return Err(invalid(format!("{name} is not supported: {why}")));
        }
        let hint = suggest(name, SETTINGS.iter().map(|setting| setting.name))
            .map(|close| format!("; did you mean {close}?"))
            .unwrap_or_default();
        Err(invalid(format!("unknown topic config {name}{hint}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(pairs: &[(&str, &str)]) -> Result<TopicConfig, Error> {
        let own = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        TopicConfig::resolve(&TopicConfig::default(), &own)
    }

    #[test]
    fn own_settings_win_over_defaults() {
        let config = resolve(&[("retention.ms", "1000"), ("compression.type", "zstd")]).unwrap();
        assert_eq!(config.retention_ms, 1000);
        assert_eq!(config.compression, Some(Compression::Zstd));
        assert_eq!(config.segment_bytes, TopicConfig::default().segment_bytes);
    }

    #[test]
    fn every_setting_prints_what_it_parses() {
        let default = TopicConfig::default();
        for setting in SETTINGS {
            let mut copy = default.clone();
            (setting.set)(&mut copy, &(setting.get)(&default)).unwrap();
            assert_eq!(copy, default, "{}", setting.name);
        }
    }

    #[test]
    fn wrong_settings_are_refused_with_a_hint() {
        for (name, value, hint) in [
            ("retention.m", "1", "did you mean retention.ms?"),
            ("retention.ms", "soon", "64-bit integer"),
            ("cleanup.policy", "squeeze", "delete, compact or both"),
            ("remote.storage.enable", "true", "every topic is archived"),
            ("flush.ms", "soon", "64-bit integer"),
            ("max.message.bytes", "-1", "from 0 to"),
        ] {
            let error = resolve(&[(name, value)]).unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidConfig);
            assert!(error.message.contains(hint), "{error}");
        }
        assert!(resolve(&[("flush.ms", "1")]).is_ok());
        let both = resolve(&[("cleanup.policy", "compact,delete")]).unwrap().cleanup;
        assert!(both.compact && both.delete);
    }
}
