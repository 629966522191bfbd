//! Topic settings of Kafka that could change nothing here, whatever they say: they are about files,
//! flushes and replicas that do not exist, or steer what is not built yet and does no harm by not
//! being there (compaction). They are taken, typed, and reported with that reason.

use crate::config::ValueKind;

/// A setting that is taken and has no effect.
pub(crate) struct Inert {
    /// Kafka's name.
    pub(crate) name: &'static str,
    /// Type of the value.
    pub(crate) kind: ValueKind,
    /// Kafka's default; none for one that Kafka no longer has, which is not listed unless it is set.
    pub(crate) default: Option<&'static str>,
    /// Why nothing follows from it.
    pub(crate) why: &'static str,
}

impl Inert {
    /// Whether the value is of the right type.
    pub(crate) fn check(&self, value: &str) -> Result<(), String> {
        self.kind.check(value)
    }
}

const DURABLE: &str = "No effect: every record is on disk before it is acknowledged.";
const FILES: &str = "No effect: partitions have no files of their own.";
const COMPACTION: &str = "No effect yet: compaction is not built, every record is kept.";
const ONE_REPLICA: &str = "No effect: there is one replica.";
const GONE: &str = "No effect: Kafka 4 no longer has it.";
const ONE_LEVEL: &str = "No effect: the broker's LZ4 has one level.";

macro_rules! inert {
    ($($name:literal $kind:ident $default:expr, $why:ident;)*) => {
        &[$(Inert { name: $name, kind: ValueKind::$kind, default: $default, why: $why }),*]
    };
}

/// All of them, by name.
pub(crate) static INERT: &[Inert] = inert! {
    "compression.lz4.level" Int Some("9"), ONE_LEVEL;
    "delete.retention.ms" Long Some("86400000"), COMPACTION;
    "file.delete.delay.ms" Long Some("60000"), FILES;
    "flush.messages" Long Some("9223372036854775807"), DURABLE;
    "flush.ms" Long Some("9223372036854775807"), DURABLE;
    "follower.replication.throttled.replicas" List Some(""), ONE_REPLICA;
    "index.interval.bytes" Int Some("4096"), FILES;
    "leader.replication.throttled.replicas" List Some(""), ONE_REPLICA;
    "max.compaction.lag.ms" Long Some("9223372036854775807"), COMPACTION;
    "message.downconversion.enable" Boolean None, GONE;
    "message.format.version" String None, GONE;
    "min.cleanable.dirty.ratio" Double Some("0.5"), COMPACTION;
    "min.compaction.lag.ms" Long Some("0"), COMPACTION;
    "preallocate" Boolean Some("false"), FILES;
    "segment.index.bytes" Int Some("10485760"), FILES;
    "segment.jitter.ms" Long Some("0"), FILES;
    "unclean.leader.election.enable" Boolean Some("false"), ONE_REPLICA;
};

/// The inert setting of this name.
pub(crate) fn find(name: &str) -> Option<&'static Inert> {
    INERT.iter().find(|setting| setting.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_values_of_their_types() {
        for setting in INERT {
            assert_eq!(setting.check(setting.default.unwrap_or("true")), Ok(()), "{}", setting.name);
        }
        assert!(find("min.cleanable.dirty.ratio").unwrap().check("much").is_err());
    }
}
