//! The page that says which part of Kafka's protocol is served.

use std::fmt::Write;

use crate::apis::APIS;

/// What Apache Kafka 4.3.1 advertises: key, name, first and last version; and, where the API is not
/// served here, why. The two of telemetry are advertised where a receiver is configured.
#[rustfmt::skip]
static REFERENCE: &[(i16, &str, i16, i16, &str)] = &[
    (0, "Produce", 0, 13, ""),
    (1, "Fetch", 4, 18, ""),
    (2, "ListOffsets", 1, 11, ""),
    (3, "Metadata", 0, 13, ""),
    (8, "OffsetCommit", 2, 10, ""),
    (9, "OffsetFetch", 1, 10, ""),
    (10, "FindCoordinator", 0, 6, ""),
    (11, "JoinGroup", 0, 9, ""),
    (12, "Heartbeat", 0, 4, ""),
    (13, "LeaveGroup", 0, 5, ""),
    (14, "SyncGroup", 0, 5, ""),
    (15, "DescribeGroups", 0, 6, ""),
    (16, "ListGroups", 0, 5, ""),
    (17, "SaslHandshake", 0, 1, "authentication comes later"),
    (18, "ApiVersions", 0, 4, ""),
    (19, "CreateTopics", 2, 7, ""),
    (20, "DeleteTopics", 1, 6, ""),
    (21, "DeleteRecords", 0, 2, ""),
    (22, "InitProducerId", 0, 5, ""),
    (23, "OffsetForLeaderEpoch", 2, 4, ""),
    (24, "AddPartitionsToTxn", 0, 5, ""),
    (25, "AddOffsetsToTxn", 0, 4, ""),
    (26, "EndTxn", 0, 5, ""),
    (27, "WriteTxnMarkers", 1, 2, ""),
    (28, "TxnOffsetCommit", 0, 5, ""),
    (29, "DescribeAcls", 1, 3, "authorization comes later"),
    (30, "CreateAcls", 1, 3, "authorization comes later"),
    (31, "DeleteAcls", 1, 3, "authorization comes later"),
    (32, "DescribeConfigs", 1, 4, ""),
    (33, "AlterConfigs", 0, 2, ""),
    (34, "AlterReplicaLogDirs", 1, 2, "a broker has one data directory"),
    (35, "DescribeLogDirs", 1, 5, ""),
    (36, "SaslAuthenticate", 0, 2, "authentication comes later"),
    (37, "CreatePartitions", 0, 3, ""),
    (38, "CreateDelegationToken", 1, 3, "authentication comes later"),
    (39, "RenewDelegationToken", 1, 2, "authentication comes later"),
    (40, "ExpireDelegationToken", 1, 2, "authentication comes later"),
    (41, "DescribeDelegationToken", 1, 3, "authentication comes later"),
    (42, "DeleteGroups", 0, 2, ""),
    (43, "ElectLeaders", 0, 2, ""),
    (44, "IncrementalAlterConfigs", 0, 1, ""),
    (45, "AlterPartitionReassignments", 0, 1, ""),
    (46, "ListPartitionReassignments", 0, 0, ""),
    (47, "OffsetDelete", 0, 0, ""),
    (48, "DescribeClientQuotas", 0, 1, ""),
    (49, "AlterClientQuotas", 0, 1, ""),
    (50, "DescribeUserScramCredentials", 0, 0, ""),
    (51, "AlterUserScramCredentials", 0, 0, "authentication comes later"),
    (55, "DescribeQuorum", 0, 2, ""),
    (57, "UpdateFeatures", 0, 2, ""),
    (60, "DescribeCluster", 0, 2, ""),
    (61, "DescribeProducers", 0, 0, ""),
    (64, "UnregisterBroker", 0, 0, "comes with replication"),
    (65, "DescribeTransactions", 0, 0, ""),
    (66, "ListTransactions", 0, 2, ""),
    (68, "ConsumerGroupHeartbeat", 0, 1, "the new group protocol comes later; clients fall back to the classic one"),
    (69, "ConsumerGroupDescribe", 0, 1, "the new group protocol comes later; clients fall back to the classic one"),
    (71, "GetTelemetrySubscriptions", 0, 0, ""),
    (72, "PushTelemetry", 0, 0, ""),
    (74, "ListConfigResources", 0, 1, ""),
    (75, "DescribeTopicPartitions", 0, 0, ""),
    (76, "ShareGroupHeartbeat", 1, 1, "share groups come later"),
    (77, "ShareGroupDescribe", 1, 1, "share groups come later"),
    (78, "ShareFetch", 1, 2, "share groups come later"),
    (79, "ShareAcknowledge", 1, 2, "share groups come later"),
    (80, "AddRaftVoter", 0, 1, "there is no KRaft quorum"),
    (81, "RemoveRaftVoter", 0, 0, "there is no KRaft quorum"),
    (83, "InitializeShareGroupState", 0, 0, "share groups come later"),
    (84, "ReadShareGroupState", 0, 0, "share groups come later"),
    (85, "WriteShareGroupState", 0, 1, "share groups come later"),
    (86, "DeleteShareGroupState", 0, 0, "share groups come later"),
    (87, "ReadShareGroupStateSummary", 0, 1, "share groups come later"),
    (88, "StreamsGroupHeartbeat", 0, 0, "the streams group protocol comes later"),
    (89, "StreamsGroupDescribe", 0, 0, "the streams group protocol comes later"),
    (90, "DescribeShareGroupOffsets", 0, 1, "share groups come later"),
    (91, "AlterShareGroupOffsets", 0, 0, "share groups come later"),
    (92, "DeleteShareGroupOffsets", 0, 0, "share groups come later"),
];

const HEAD: &str = "# Kafka compatibility

Generated from the API table of the code (`runtime/kafka-server/src/apis.rs`); the test
`the_compatibility_page_is_current` fails when it is out of date. The reference is Apache Kafka 4.3.1. ApiVersions
advertises exactly the versions under *served*, but for Produce, which is advertised from 0 and refused below 3, as Kafka
does: old librdkafka turns compression off otherwise. Where *served* ends before the reference, the message crate does not
know the newer version yet, and clients use the older one.

| key | API | Kafka 4.3.1 | served | notes |
|---:|---|---|---|---|
";

/// The text of `docs/kafka-compatibility.md`.
pub fn compatibility_page() -> String {
    let mut page = HEAD.to_owned();
    for (key, name, first, last, why) in REFERENCE {
        let reference = versions(*first, *last);
        let served = APIS.iter().find(|api| api.key as i16 == *key);
        let (served, note) = match served {
            Some(api) => (versions(api.min, api.max), api.note),
            None => ("no".to_owned(), *why),
        };
        // Writing to a string does not fail.
        let _ = writeln!(page, "| {key} | {name} | {reference} | {served} | {note} |");
    }
    page
}

fn versions(first: i16, last: i16) -> String {
    match last {
        _ if last == first => first.to_string(),
        _ => format!("{first}–{last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set `UPDATE_DOCS=1` to write the page.
    #[test]
    fn the_compatibility_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/kafka-compatibility.md");
        let page = compatibility_page();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), page, "run this test with UPDATE_DOCS=1");
    }

    #[test]
    fn every_api_is_one_of_the_references_and_every_gap_has_a_reason() {
        for api in APIS {
            let reference = REFERENCE.iter().find(|(key, ..)| *key == api.key as i16).unwrap();
            assert_eq!(reference.1, api.name);
            assert!(reference.2 <= api.min && api.max <= reference.3, "{}", api.name);
        }
        for (key, name, .., why) in REFERENCE {
            let served = APIS.iter().any(|api| api.key as i16 == *key);
            assert_eq!(served, why.is_empty(), "{name}");
        }
    }
}
