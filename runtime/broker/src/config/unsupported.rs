//! Settings of Kafka that belong to something Tidemill does not have, and why: whoever sets one is
//! told, instead of looking for a typing error.

const COMPACTION: &str = "compaction is not built yet";
const SECURITY: &str = "encryption and authentication are not built yet";
const QUORUM: &str = "there is no KRaft quorum and no ZooKeeper";
const REPLICATION: &str = "replication between brokers is not built yet";
const ARCHIVE: &str =
    "every topic is archived; see tidemill.archive.max.lag.ms and tidemill.archive.min.bytes";
const JOURNALS: &str = "offsets and transactions are kept in the journals, not in topics";
const THREADS: &str = "threads are sized by the machine; see cpu.workers";
const FILES: &str =
    "partitions have no files of their own; every record is on disk before it is acknowledged";
const GROUPS: &str = "the group protocols of KIP-848, KIP-932 and KIP-1071 are not built yet";
const REPORTERS: &str = "metrics are scraped from /metrics";

/// By the beginning of the name.
static BROKER: &[(&str, &str)] = &[
    ("log.cleaner.", COMPACTION),
    ("ssl.", SECURITY),
    ("sasl.", SECURITY),
    ("security.", SECURITY),
    ("authorizer.", SECURITY),
    ("principal.builder", SECURITY),
    ("super.users", SECURITY),
    ("delegation.token", SECURITY),
    ("zookeeper.", QUORUM),
    ("controller.", QUORUM),
    ("metadata.log", QUORUM),
    ("process.roles", QUORUM),
    ("broker.rack", REPLICATION),
    ("replica.", REPLICATION),
    ("replication.", REPLICATION),
    ("inter.broker", REPLICATION),
    ("auto.leader.rebalance", REPLICATION),
    ("leader.imbalance", REPLICATION),
    ("unclean.leader.election", REPLICATION),
    ("remote.", ARCHIVE),
    ("log.local.retention", ARCHIVE),
    ("offsets.topic.", JOURNALS),
    ("offsets.commit.", JOURNALS),
    ("offsets.load.", JOURNALS),
    ("transaction.state.log.", JOURNALS),
    ("num.network.threads", THREADS),
    ("num.io.threads", THREADS),
    ("num.recovery.threads", THREADS),
    ("background.threads", THREADS),
    ("queued.max.requests", "each connection has a bounded number of requests under way"),
    ("log.flush.", FILES),
    ("log.index.", FILES),
    ("log.preallocate", FILES),
    ("log.dir", "there is one data directory; see data.dir"),
    ("listeners", "see kafka.addr"),
    ("advertised.listeners", "see advertised.kafka.addr"),
    ("listener.", "there is one listener; see kafka.addr"),
    ("broker.id", "see node.id"),
    ("group.consumer.", GROUPS),
    ("group.share.", GROUPS),
    ("group.streams.", GROUPS),
    ("group.coordinator.", JOURNALS),
    ("share.", GROUPS),
    ("metric.reporters", REPORTERS),
    ("kafka.metrics.", REPORTERS),
    ("create.topic.policy", "policies that are Java classes cannot run here"),
    ("alter.config.policy", "policies that are Java classes cannot run here"),
];

static TOPIC: &[(&str, &str)] = &[("remote.", ARCHIVE), ("local.retention.", ARCHIVE)];

/// Why a broker cannot have this setting of Kafka's, if it is one of those.
pub(crate) fn broker(name: &str) -> Option<&'static str> {
    find(BROKER, name)
}

/// Why a topic cannot have this setting of Kafka's, if it is one of those.
pub(crate) fn topic(name: &str) -> Option<&'static str> {
    find(TOPIC, name)
}

fn find(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::super::settings;

    #[test]
    fn no_setting_that_exists_is_called_unsupported() {
        for name in settings::names() {
            assert_eq!(super::broker(name), None, "{name}");
        }
    }
}
