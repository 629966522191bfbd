//! Configs of groups. Kafka's are all of the group protocols of KIP-848, KIP-932 and KIP-1071, which
//! are not built: they are described with their defaults, and cannot be set.

use super::{ConfigEntry, ConfigSource, ConfigSynonym, ValueKind};
use crate::error::{Error, ErrorKind};

/// A config of a group.
struct GroupConfig {
    name: &'static str,
    kind: ValueKind,
    default: &'static str,
    /// The broker's setting that Kafka takes the default from, or the config itself.
    broker_name: &'static str,
    doc: &'static str,
}

macro_rules! configs {
    ($($name:literal $kind:ident $default:literal $broker_name:literal $doc:literal,)*) => {
        &[$(GroupConfig {
            name: $name,
            kind: ValueKind::$kind,
            default: $default,
            broker_name: $broker_name,
            doc: $doc,
        }),*]
    };
}

#[rustfmt::skip]
static CONFIGS: &[GroupConfig] = configs! {
    "consumer.assignment.interval.ms" Int "1000" "group.consumer.assignment.interval.ms"
        "Least time between two assignments of a consumer group.",
    "consumer.heartbeat.interval.ms" Int "5000" "group.consumer.heartbeat.interval.ms"
        "How often members of a consumer group send heartbeats.",
    "consumer.session.timeout.ms" Int "45000" "group.consumer.session.timeout.ms"
        "How long a member of a consumer group may be silent.",
    "share.assignment.interval.ms" Int "1000" "group.share.assignment.interval.ms"
        "Least time between two assignments of a share group.",
    "share.auto.offset.reset" String "latest" "share.auto.offset.reset"
        "Where a share group begins.",
    "share.delivery.count.limit" Int "5" "group.share.delivery.count.limit"
        "How often a record is delivered at most.",
    "share.heartbeat.interval.ms" Int "5000" "group.share.heartbeat.interval.ms"
        "How often members of a share group send heartbeats.",
    "share.isolation.level" String "read_uncommitted" "share.isolation.level"
        "Whether records of open transactions are delivered.",
    "share.partition.max.record.locks" Int "2000" "group.share.partition.max.record.locks"
        "Most records of a partition that are with members.",
    "share.record.lock.duration.ms" Int "30000" "group.share.record.lock.duration.ms"
        "How long a record is with a member.",
    "share.renew.acknowledge.enable" Boolean "true" "share.renew.acknowledge.enable"
        "Whether a member may keep a record for longer.",
    "share.session.timeout.ms" Int "45000" "group.share.session.timeout.ms"
        "How long a member of a share group may be silent.",
    "streams.assignment.interval.ms" Int "1000" "group.streams.assignment.interval.ms"
        "Least time between two assignments of a streams group.",
    "streams.heartbeat.interval.ms" Int "5000" "group.streams.heartbeat.interval.ms"
        "How often members of a streams group send heartbeats.",
    "streams.initial.rebalance.delay.ms" Int "3000" "group.streams.initial.rebalance.delay.ms"
        "How long an empty streams group waits for more members.",
    "streams.num.standby.replicas" Int "0" "group.streams.num.standby.replicas"
        "Standby replicas of each task.",
    "streams.session.timeout.ms" Int "45000" "group.streams.session.timeout.ms"
        "How long a member of a streams group may be silent.",
};

/// Every config that a group has.
#[must_use]
pub fn describe_group_configs() -> Vec<ConfigEntry> {
    let entry = |config: &GroupConfig| ConfigEntry {
        name: config.name.to_owned(),
        value: config.default.to_owned(),
        source: ConfigSource::Default,
        kind: config.kind,
        doc: config.doc,
        read_only: false,
        sensitive: false,
        synonyms: vec![ConfigSynonym {
            name: config.broker_name.to_owned(),
            value: config.default.to_owned(),
            source: ConfigSource::Default,
        }],
    };
    CONFIGS.iter().map(entry).collect()
}

/// Refuses to set what has no effect; resetting it changes nothing.
pub fn alter_group_configs(changes: &[(String, Option<String>)]) -> Result<(), Error> {
    let Some((name, _)) = changes.iter().find(|(_, value)| value.is_some()) else {
        return Ok(());
    };
    let message = if CONFIGS.iter().any(|config| config.name == name) {
        format!("{name} cannot be set: the group protocol that it belongs to is not built yet")
    } else {
        format!("Unknown group config name: {name}")
    };
    Err(Error::new(ErrorKind::InvalidConfig, message))
}
