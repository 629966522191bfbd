//! Groups, transactions, connections.

use super::{BROKERS, Row, Table, entry};

pub const TABLE: Table = Table {
    title: "Groups, transactions, connections",
    preface: "Members of a group that all come at once, each with a connection of its own, until all know their part \
              in one generation (`group.initial.rebalance.delay.ms=0`; a member asks every 50 ms whether it has to \
              join again). Transactions one after another, of one record to each of three partitions, in the version \
              in which each has its own epoch (KIP-890). Connections that have asked for ApiVersions and Metadata, \
              half of them in a waiting fetch.",
    columns: BROKERS,
    rows: ROWS,
};

const ROWS: &[Row] = &[
    entry("group.1", "groups", "a group of 1 comes together", "ms", &[]),
    entry("group.200", "groups", "a group of 200 comes together", "ms", &[]),
    entry("transaction.commit.p50", "transactions", "commit of a transaction, p50", "µs", &[]),
    entry("transaction.commit.p99", "transactions", "commit of a transaction, p99", "µs", &[]),
    entry("transaction.p50", "transactions", "a whole transaction, p50", "µs", &[]),
    entry("transaction.p99", "transactions", "a whole transaction, p99", "µs", &[]),
    entry("connections.memory", "connections", "each of 2,000 connections: memory", "KiB", &[]),
];
