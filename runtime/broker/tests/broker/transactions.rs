//! Transactions over several journals: committed, aborted, fenced, timed out, read hot and archived,
//! and gone on with after a restart.

use std::time::Duration;

use bytes::Bytes;
use tidemill_broker::{
    Error, ErrorKind, FetchRequest, Isolation, OffsetSpec, PartitionId, ProducePartition, ProduceRequest,
    Produced, ProducerIdentity, TransactionFilter, TransactionStatus, TransactionalProduce,
};
use tidemill_groups::{CommitRequest, CommittedOffset, OffsetKey};
use tidemill_records::{BatchBuilder, BatchFacts, Compression, RecordBatch};

use crate::node::{Node, Seen, fetch_request, see, small, want};

const TIMEOUT_MS: i32 = 60_000;

fn batch(who: ProducerIdentity, sequence: i32, values: &[&str]) -> Bytes {
    let facts = BatchFacts {
        base_timestamp: 1_700_000_000_000,
        producer_id: who.producer_id,
        producer_epoch: who.producer_epoch,
        base_sequence: sequence,
        is_transactional: true,
        ..BatchFacts::default()
    };
    let mut builder = BatchBuilder::new(facts);
    for (delta, value) in (0..).zip(values) {
        builder.push(delta, 0, None, Some(value.as_bytes()), &[]);
    }
    builder.build(Compression::Lz4).unwrap().into_bytes()
}

async fn produce(
    node: &Node,
    id: &str,
    version: u8,
    partition: i32,
    records: Bytes,
) -> Result<Produced, Error> {
    let of = TransactionalProduce { transactional_id: id.into(), version, knows_abortable: version >= 2 };
    let partitions = vec![ProducePartition { topic: "t".into(), partition, records }];
    let request = ProduceRequest { acks: -1, partitions };
    node.broker.submit_transactional_produce(request, of).await.wait().await.remove(0).result
}

async fn init(node: &Node, id: &str) -> ProducerIdentity {
    node.broker.init_transactional_producer(id, TIMEOUT_MS, None).await.unwrap()
}

fn partition_id(node: &Node, partition: i32) -> PartitionId {
    PartitionId { topic_id: node.broker.topic("t").unwrap().id, partition }
}

/// What a consumer sees of a partition that knows how to leave out aborted records.
async fn committed(node: &Node, partition: i32) -> Vec<String> {
    let (mut values, mut offset) = (Vec::new(), 0);
    loop {
        let request = FetchRequest {
            isolation: Isolation::ReadCommitted,
            ..fetch_request(vec![want("t", partition, offset)])
        };
        let fetched = node.broker.fetch(request).await.remove(0);
        assert_eq!(fetched.error, None);
        let Some(last) = fetched.batches.last() else {
            assert_eq!(offset, fetched.last_stable_offset);
            return values;
        };
        let next = last.next_offset();
        let mut aborted = fetched.aborted.clone();
        aborted.sort_by_key(|aborted| aborted.first_offset);
        let mut skipped = std::collections::HashSet::new();
        for batch in &fetched.batches {
            while aborted.first().is_some_and(|first| first.first_offset <= batch.last_offset()) {
                skipped.insert(aborted.remove(0).producer_id);
            }
            let producer_id = batch.header().producer_id;
            if batch.is_control() {
                skipped.remove(&producer_id);
            } else if !(batch.is_transactional() && skipped.contains(&producer_id)) {
                values.extend(see(batch).into_iter().filter(|seen| seen.offset >= offset).map(value));
            }
        }
        offset = next;
    }
}

fn value(seen: Seen) -> String {
    String::from_utf8(seen.value.unwrap()).unwrap()
}

/// What a function sees.
async fn function_sees(node: &Node, partition: i32) -> Vec<String> {
    let (mut values, mut offset) = (Vec::new(), 0);
    loop {
        let read = node.broker.read_committed(partition_id(node, partition), offset, 1 << 20).await.unwrap();
        if read.next_offset == offset {
            return values;
        }
        values.extend(read.batches.iter().flat_map(see).map(value));
        offset = read.next_offset;
    }
}

async fn start() -> Node {
    let node = Node::with(|config| {
        small(config);
        config.journals = 3;
        config.transaction_abort_timed_out_transaction_cleanup_interval_ms = 20;
        config.transaction_remove_expired_transaction_cleanup_interval_ms = 1;
    })
    .await;
    node.create("t", 4).await;
    node
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_over_all_partitions_commits_or_aborts_as_one() {
    let node = start().await;
    for version in [1, 2] {
        let id = format!("v{version}");
        let mut who = init(&node, &id).await;
        for (round, commit) in [(0, true), (1, false), (2, true)] {
            if version == 1 {
                let partitions: Vec<_> = (0..4).map(|partition| partition_id(&node, partition)).collect();
                node.broker.add_to_transaction(&id, who, &partitions, &[]).await.unwrap();
            }
            let sequence = if version == 1 { round * 2 } else { 0 };
            for partition in 0..4 {
                let values = [&*format!("{id}-{round}-a"), &*format!("{id}-{round}-b")];
                produce(&node, &id, version, partition, batch(who, sequence, &values)).await.unwrap();
                let marks = node.broker.watermarks(&"t".into(), partition).unwrap();
                assert_eq!(marks.last_stable_offset + 2, marks.high_watermark);
            }
            who = node.broker.end_transaction(&id, who, commit, version).await.unwrap();
        }
    }
    let expected = ["v1-0-a", "v1-0-b", "v1-2-a", "v1-2-b", "v2-0-a", "v2-0-b", "v2-2-a", "v2-2-b"];
    let mut everything = Vec::new();
    for partition in 0..4 {
        assert_eq!(committed(&node, partition).await, expected);
        assert_eq!(function_sees(&node, partition).await, expected);
        everything.push(node.read_all("t", partition, 0).await);
    }
    // The same from the archive, markers and aborted records included, and after a restart.
    node.broker.seal("t", true).await.unwrap();
    let node = node.restart().await;
    for (partition, before) in (0..).zip(everything) {
        let marks = node.broker.watermarks(&"t".into(), partition).unwrap();
        assert_eq!(marks.archived_end, marks.high_watermark);
        assert_eq!(committed(&node, partition).await, expected);
        assert_eq!(function_sees(&node, partition).await, expected);
        let after = node.read_all("t", partition, 0).await;
        let facts = |seen: &Seen| (seen.offset, seen.value.clone(), seen.batch);
        assert!(after.iter().map(facts).eq(before.iter().map(facts)));
        assert_eq!(before.len(), 18, "twelve records and six markers");
    }
    let rows: u64 = node.broker.archive_status(Some("t")).unwrap()[0].partitions[0]
        .objects
        .iter()
        .map(|object| object.row_count)
        .sum();
    assert_eq!(rows, 8, "the columns have committed records only");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_transaction_holds_readers_and_sealing_back() {
    let node = start().await;
    let plain = crate::node::batch(&["before"]);
    node.produce("t", 0, plain).await.unwrap();
    let who = init(&node, "x").await;
    produce(&node, "x", 2, 0, batch(who, 0, &["open"])).await.unwrap();
    node.produce("t", 0, crate::node::batch(&["after"])).await.unwrap();
    assert_eq!(committed(&node, 0).await, ["before"]);
    assert_eq!(function_sees(&node, 0).await, ["before"]);
    assert_eq!(node.read_all("t", 0, 0).await.len(), 3);
    let latest = |isolation| node.broker.list_offset_of(isolation);
    assert_eq!(latest(Isolation::ReadCommitted).await, 1);
    assert_eq!(latest(Isolation::ReadUncommitted).await, 3);
    node.broker.seal("t", true).await.unwrap();
    assert_eq!(node.broker.watermarks(&"t".into(), 0).unwrap().archived_end, 1);
    let node = node.restart().await;
    assert_eq!(committed(&node, 0).await, ["before"]);
    node.broker.end_transaction("x", who, true, 2).await.unwrap();
    assert_eq!(committed(&node, 0).await, ["before", "open", "after"]);
    let producers = node.broker.describe_producers(&"t".into(), 0).unwrap();
    let ours = producers.iter().find(|producer| producer.producer_id == who.producer_id).unwrap();
    assert_eq!((ours.open_since, ours.producer_epoch), (-1, who.producer_epoch + 1));
}

trait Latest {
    async fn list_offset_of(&self, isolation: Isolation) -> i64;
}

impl Latest for tidemill_broker::Broker {
    async fn list_offset_of(&self, isolation: Isolation) -> i64 {
        self.list_offset(&"t".into(), 0, OffsetSpec::Latest, isolation, -1).await.unwrap().offset
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_outside_of_the_transaction_are_refused() {
    let node = start().await;
    let who = init(&node, "x").await;
    let refused = |result: Result<Produced, Error>| result.unwrap_err().kind;
    // Version 1 adds partitions first.
    let early = produce(&node, "x", 1, 0, batch(who, 0, &["a"])).await;
    assert_eq!(refused(early), ErrorKind::InvalidTransactionState);
    node.broker.add_to_transaction("x", who, &[partition_id(&node, 0)], &[]).await.unwrap();
    produce(&node, "x", 1, 0, batch(who, 0, &["a"])).await.unwrap();
    let elsewhere = produce(&node, "x", 1, 1, batch(who, 0, &["a"])).await;
    assert_eq!(refused(elsewhere), ErrorKind::InvalidTransactionState);
    // Records of a transaction without a transactional id, and of somebody else's.
    let nobodys = node.produce("t", 0, batch(who, 1, &["b"])).await;
    assert_eq!(refused(nobodys), ErrorKind::TransactionalIdAuthorizationFailed);
    let stranger = ProducerIdentity { producer_id: who.producer_id + 1, ..who };
    let strange = produce(&node, "x", 2, 0, batch(stranger, 0, &["b"])).await;
    assert_eq!(refused(strange), ErrorKind::InvalidProducerIdMapping);
    // A zombie.
    let new = init(&node, "x").await;
    let zombie = produce(&node, "x", 1, 0, batch(who, 1, &["b"])).await;
    assert_eq!(refused(zombie), ErrorKind::InvalidProducerEpoch);
    assert_eq!(
        node.broker.end_transaction("x", who, true, 1).await.unwrap_err().kind,
        ErrorKind::ProducerFenced
    );
    assert_eq!(committed(&node, 0).await, Vec::<String>::new());
    produce(&node, "x", 2, 0, batch(new, 0, &["c"])).await.unwrap();
    node.broker.end_transaction("x", new, true, 2).await.unwrap();
    assert_eq!(committed(&node, 0).await, ["c"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_open_for_too_long_is_aborted_and_what_is_idle_forgotten() {
    let node = start().await;
    let who = init(&node, "x").await;
    produce(&node, "x", 2, 1, batch(who, 0, &["late"])).await.unwrap();
    node.clock.advance(i64::from(TIMEOUT_MS) + 1);
    let stable = || {
        let marks = node.broker.watermarks(&"t".into(), 1).unwrap();
        marks.last_stable_offset == marks.high_watermark
    };
    until("the transaction is aborted", stable).await;
    assert_eq!(committed(&node, 1).await, Vec::<String>::new());
    assert_eq!(
        node.broker.end_transaction("x", who, true, 2).await.unwrap_err().kind,
        ErrorKind::ProducerFenced
    );
    let status = || node.broker.describe_transaction("x").map(|described| described.status);
    until("it is complete", || status() == Ok(TransactionStatus::CompleteAbort)).await;
    node.clock.advance(604_800_000);
    until("the id is forgotten", || status().is_err()).await;
    assert_eq!(status().unwrap_err().kind, ErrorKind::TransactionalIdNotFound);
    init(&node, "x").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_count_when_the_transaction_commits() {
    let node = start().await;
    let key = |partition| OffsetKey { topic_id: partition_id(&node, 0).topic_id, partition };
    let request = |offset, generation| CommitRequest {
        group_id: "g".into(),
        generation,
        member_id: String::new(),
        instance_id: None,
        offsets: vec![CommittedOffset { key: key(0), offset, leader_epoch: -1, metadata: "note".into() }],
        retention_ms: None,
    };
    let offset = async |node: &Node| {
        let found = node.broker.groups().fetch_offsets("g", None).await.unwrap();
        found.first().map(|committed| committed.offset)
    };
    let mut who = init(&node, "x").await;
    for (round, commit) in [(1, true), (2, false), (3, true)] {
        node.broker.commit_transactional_offsets("x", who, 2, request(round * 10, -1)).await.unwrap();
        assert_eq!(node.broker.unstable_offsets("g", None), [key(0)]);
        assert_eq!(node.broker.unstable_offsets("g", Some(&[key(1)])), []);
        who = node.broker.end_transaction("x", who, commit, 2).await.unwrap();
        assert_eq!(node.broker.unstable_offsets("g", None), []);
        assert_eq!(offset(&node).await, Some(if round == 3 { 30 } else { 10 }));
    }
    let member = node.broker.commit_transactional_offsets("x", who, 2, request(40, 7)).await;
    assert!(member.is_err(), "no such generation");
    // Version 1 adds the group first.
    assert!(node.broker.commit_transactional_offsets("x", who, 1, request(40, -1)).await.is_err());
    node.broker.add_to_transaction("x", who, &[], &["g".into()]).await.unwrap();
    node.broker.commit_transactional_offsets("x", who, 1, request(40, -1)).await.unwrap();
    let node = node.restart().await;
    assert_eq!(node.broker.unstable_offsets("g", None).len(), 1);
    assert_eq!(offset(&node).await, Some(30));
    node.broker.end_transaction("x", who, true, 1).await.unwrap();
    assert_eq!(offset(&node).await, Some(40));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_transaction_is_found_and_ended_by_an_operator() {
    let node = start().await;
    let who = init(&node, "x").await;
    produce(&node, "x", 2, 2, batch(who, 0, &["hangs"])).await.unwrap();
    let listed = |statuses: &[TransactionStatus], wanted: &dyn Fn(&str) -> bool| {
        let filter =
            TransactionFilter { statuses, producer_ids: &[], longer_than_ms: None, is_wanted: wanted };
        node.broker.list_transactions(&filter).into_iter().map(|t| t.transactional_id).collect::<Vec<_>>()
    };
    assert_eq!(listed(&[TransactionStatus::Ongoing], &|_| true), ["x"]);
    assert_eq!(listed(&[TransactionStatus::Empty], &|_| true), Vec::<String>::new());
    assert_eq!(listed(&[], &|id| id != "x"), Vec::<String>::new());
    let described = node.broker.describe_transaction("x").unwrap();
    assert_eq!(described.partitions, [("t".to_owned(), vec![2])]);
    let producers = node.broker.describe_producers(&"t".into(), 2).unwrap();
    assert_eq!((producers[0].open_since, producers[0].coordinator_epoch), (0, -1));
    node.broker.write_marker(&"t".into(), 2, who, 0, false).await.unwrap();
    assert_eq!(committed(&node, 2).await, Vec::<String>::new());
    assert_eq!(node.broker.watermarks(&"t".into(), 2).unwrap().last_stable_offset, 2);
}

/// Read while it was open, asked for when it is aborted: what was read ahead knows nothing of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_ahead_is_not_taken_for_committed() {
    let node = start().await;
    let mut who = init(&node, "x").await;
    let big = "x".repeat(40_000);
    for round in 0..12 {
        let sequence = 0;
        produce(&node, "x", 2, 3, batch(who, sequence, &[&format!("{round}"), &big])).await.unwrap();
        for (isolation, offset) in [(Isolation::ReadUncommitted, 0), (Isolation::ReadCommitted, 0)] {
            let mut offset = offset;
            for _ in 0..40 {
                let request = FetchRequest {
                    isolation,
                    max_bytes: 100_000,
                    ..fetch_request(vec![want("t", 3, offset)])
                };
                let fetched = node.broker.fetch(request).await.remove(0);
                let Some(next) = fetched.batches.last().map(RecordBatch::next_offset) else { break };
                offset = next;
            }
        }
        who = node.broker.end_transaction("x", who, round % 3 != 1, 2).await.unwrap();
        let seen: Vec<_> = committed(&node, 3).await.into_iter().filter(|value| value.len() < 9).collect();
        let expected: Vec<_> = (0..=round).filter(|r| r % 3 != 1).map(|r| r.to_string()).collect();
        assert_eq!(seen, expected);
    }
}
