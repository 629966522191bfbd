//! Transactions over the wire, as old and new clients do them.

use crate::client::{Client, fetch_request, name, start, text};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::*;
use tidemill_kafka_server::Options;
use tidemill_records::{BatchBuilder, BatchFacts, Compression};

fn id() -> TransactionalId {
    TransactionalId(text("tx"))
}

async fn init(client: &mut Client, version: i16) -> (ProducerId, i16) {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(id()))
        .with_transaction_timeout_ms(60_000)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    let answer = client.call(&request, version).await;
    assert_eq!(answer.error_code, 0);
    (answer.producer_id, answer.producer_epoch)
}

async fn produce(
    client: &mut Client,
    version: i16,
    who: (ProducerId, i16),
    sequence: i32,
    value: &str,
) -> i16 {
    let facts = BatchFacts {
        base_timestamp: 1_700_000_000_000,
        producer_id: who.0.0,
        producer_epoch: who.1,
        base_sequence: sequence,
        is_transactional: true,
        ..BatchFacts::default()
    };
    let mut builder = BatchBuilder::new(facts);
    builder.push(0, 0, None, Some(value.as_bytes()), &[]);
    let batch = builder.build(Compression::None).unwrap().into_bytes();
    let data = PartitionProduceData::default().with_records(Some(batch));
    let topic = TopicProduceData::default().with_name(name("t")).with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_transactional_id(Some(id()))
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![topic]);
    client.call(&request, version).await.responses[0].partition_responses[0].error_code
}

async fn add(client: &mut Client, who: (ProducerId, i16), partition: i32) -> i16 {
    let topic = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
        .with_name(name("t"))
        .with_partitions(vec![partition]);
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id())
        .with_v3_and_below_producer_id(who.0)
        .with_v3_and_below_producer_epoch(who.1)
        .with_v3_and_below_topics(vec![topic]);
    let answer = client.call(&request, 3).await;
    answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
}

async fn end(client: &mut Client, version: i16, who: (ProducerId, i16), commit: bool) -> EndTxnResponse {
    let request = EndTxnRequest::default()
        .with_transactional_id(id())
        .with_producer_id(who.0)
        .with_producer_epoch(who.1)
        .with_committed(commit);
    client.call(&request, version).await
}

async fn offsets(client: &mut Client, version: i16, who: (ProducerId, i16), offset: i64) -> i16 {
    let partition =
        txn_offset_commit_request::TxnOffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic = txn_offset_commit_request::TxnOffsetCommitRequestTopic::default().with_name(name("t"));
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(id())
        .with_group_id(GroupId(text("g")))
        .with_producer_id(who.0)
        .with_producer_epoch(who.1)
        .with_generation_id(-1)
        .with_topics(vec![topic.with_partitions(vec![partition])]);
    client.call(&request, version).await.topics[0].partitions[0].error_code
}

/// Error and offset of the group, as a client that waits for open transactions is told.
async fn stable_offset(client: &mut Client) -> (i16, i64) {
    let topic = offset_fetch_request::OffsetFetchRequestTopics::default()
        .with_name(name("t"))
        .with_partition_indexes(vec![0]);
    let group = offset_fetch_request::OffsetFetchRequestGroup::default().with_group_id(GroupId(text("g")));
    let request = OffsetFetchRequest::default()
        .with_groups(vec![group.with_topics(Some(vec![topic]))])
        .with_require_stable(true);
    let answer = client.call(&request, 8).await;
    let partition = &answer.groups[0].topics[0].partitions[0];
    (partition.error_code, partition.committed_offset)
}

/// Last stable offset, and producer and first offset of what was aborted.
async fn fetch(client: &mut Client) -> (i64, Vec<(i64, i64)>) {
    let answer = client.call(&fetch_request("t", 0, 0).with_isolation_level(1), 12).await;
    let partition = &answer.responses[0].partitions[0];
    let aborted = partition.aborted_transactions.iter().flatten();
    (partition.last_stable_offset, aborted.map(|a| (a.producer_id.0, a.first_offset)).collect())
}

#[tokio::test]
async fn a_client_of_version_1_adds_writes_and_ends() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    client.create("t").await;
    let find = FindCoordinatorRequest::default().with_key_type(1).with_coordinator_keys(vec![text("tx")]);
    let found = client.call(&find, 4).await;
    assert_eq!((found.coordinators[0].error_code, found.coordinators[0].node_id), (0, BrokerId(1)));
    let who = init(&mut client, 4).await;
    assert_eq!(produce(&mut client, 9, who, 0, "early").await, 48, "INVALID_TXN_STATE");
    assert_eq!(produce(&mut client, 11, who, 0, "early").await, 120, "TRANSACTION_ABORTABLE");
    assert_eq!(add(&mut client, who, 9).await, 3, "no such partition");
    assert_eq!(add(&mut client, who, 0).await, 0);
    assert_eq!(produce(&mut client, 9, who, 0, "a").await, 0);
    assert_eq!(fetch(&mut client).await, (0, vec![]));
    assert_eq!(end(&mut client, 3, who, false).await.error_code, 0);
    assert_eq!(fetch(&mut client).await, (2, vec![(who.0.0, 0)]));
    // The same epoch goes on.
    assert_eq!(add(&mut client, who, 0).await, 0);
    assert_eq!(produce(&mut client, 9, who, 1, "b").await, 0);
    let group = AddOffsetsToTxnRequest::default()
        .with_transactional_id(id())
        .with_producer_id(who.0)
        .with_producer_epoch(who.1)
        .with_group_id(GroupId(text("g")));
    assert_eq!(offsets(&mut client, 3, who, 7).await, 48, "the group was not added");
    assert_eq!(client.call(&group, 3).await.error_code, 0);
    assert_eq!(offsets(&mut client, 3, who, 7).await, 0);
    assert_eq!(stable_offset(&mut client).await, (88, -1), "UNSTABLE_OFFSET_COMMIT");
    assert_eq!(end(&mut client, 3, who, true).await.error_code, 0);
    assert_eq!(stable_offset(&mut client).await, (0, 7));
    assert_eq!(fetch(&mut client).await, (4, vec![(who.0.0, 0)]));
    // Another one takes the id.
    let new = init(&mut client, 4).await;
    assert_eq!((new.0, new.1), (who.0, who.1 + 1));
    assert_eq!(add(&mut client, who, 0).await, 90, "PRODUCER_FENCED");
    assert_eq!(end(&mut client, 1, who, true).await.error_code, 47, "INVALID_PRODUCER_EPOCH");
    assert_eq!(produce(&mut client, 9, who, 2, "zombie").await, 47);
}

#[tokio::test]
async fn a_client_of_version_2_only_writes_and_ends() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    client.create("t").await;
    let named = ApiVersionsRequest::default()
        .with_client_software_name(text("test"))
        .with_client_software_version(text("1"));
    let versions = client.call(&named, 4).await;
    let finalized = &versions.finalized_features[0];
    assert_eq!((finalized.name.as_str(), finalized.max_version_level), ("transaction.version", 2));
    assert_eq!(versions.supported_features[0].max_version, 2);
    assert_eq!(client.call(&named, 3).await.supported_features.len(), 0);
    let mut who = init(&mut client, 5).await;
    for (round, commit) in [(0, true), (1, false)] {
        assert_eq!(produce(&mut client, 12, who, 0, "x").await, 0);
        assert_eq!(produce(&mut client, 12, who, 1, "y").await, 0);
        assert_eq!(offsets(&mut client, 5, who, round + 5).await, 0);
        assert_eq!(stable_offset(&mut client).await.0, 88);
        let ended = end(&mut client, 5, who, commit).await;
        assert_eq!((ended.error_code, ended.producer_epoch), (0, who.1 + 1));
        assert_eq!(end(&mut client, 5, who, commit).await, ended, "asked again");
        who = (ended.producer_id, ended.producer_epoch);
        assert_eq!(stable_offset(&mut client).await, (0, 5));
    }
    assert_eq!(fetch(&mut client).await, (6, vec![(who.0.0, 3)]));
    assert_eq!(end(&mut client, 5, who, true).await.error_code, 48, "nothing to commit");
}
