//! Offsets by kind, time and leader epoch, across archive and log.

use tidemill_broker::{ErrorKind, Isolation, OffsetSpec};

use crate::node::{Node, batch, batch_at};

const T0: i64 = 1_700_000_000_000;

async fn list(node: &Node, spec: OffsetSpec) -> (i64, i64) {
    let found = node.broker.list_offset(&"t".into(), 0, spec, Isolation::ReadUncommitted, -1).await.unwrap();
    (found.offset, found.timestamp_ms)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_are_found_in_archive_and_log() {
    let node = Node::start().await;
    node.create("t", 1).await;
    assert_eq!(list(&node, OffsetSpec::MaxTimestamp).await, (-1, -1));
    // Records at T0, T0+1, T0+2 (offsets 0..3), then T0+1000.. (3..6), archived one by one.
    for round in 0..2 {
        node.produce("t", 0, batch_at(T0 + round * 1000, &["a", "b", "c"])).await.unwrap();
        node.broker.seal("t", true).await.unwrap();
    }
    // Hot: 6..9 at T0+5000.., 9..12 at T0+3000..
    node.produce("t", 0, batch_at(T0 + 5000, &["d", "e", "f"])).await.unwrap();
    node.produce("t", 0, batch_at(T0 + 3000, &["g", "h", "i"])).await.unwrap();
    assert_eq!(list(&node, OffsetSpec::Earliest).await, (0, -1));
    assert_eq!(list(&node, OffsetSpec::Latest).await, (12, -1));
    assert_eq!(list(&node, OffsetSpec::EarliestLocal).await, (6, -1));
    assert_eq!(list(&node, OffsetSpec::LatestTiered).await, (5, -1));
    assert_eq!(list(&node, OffsetSpec::MaxTimestamp).await, (8, T0 + 5002));
    assert_eq!(list(&node, OffsetSpec::Timestamp(0)).await, (0, T0));
    assert_eq!(list(&node, OffsetSpec::Timestamp(T0 + 2)).await, (2, T0 + 2));
    assert_eq!(list(&node, OffsetSpec::Timestamp(T0 + 3)).await, (3, T0 + 1000));
    assert_eq!(list(&node, OffsetSpec::Timestamp(T0 + 1003)).await, (6, T0 + 5000));
    assert_eq!(list(&node, OffsetSpec::Timestamp(T0 + 5002)).await, (8, T0 + 5002));
    assert_eq!(list(&node, OffsetSpec::Timestamp(T0 + 5003)).await, (-1, -1));
    node.broker.delete_records(&"t".into(), 0, 4).await.unwrap();
    assert_eq!(list(&node, OffsetSpec::Earliest).await, (4, -1));
    assert_eq!(list(&node, OffsetSpec::Timestamp(0)).await, (4, T0 + 1001));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offset_that_is_not_there_has_no_epoch() {
    let node = Node::start().await;
    node.create("t", 1).await;
    let epoch = async |spec, isolation| {
        node.broker.list_offset(&"t".into(), 0, spec, isolation, -1).await.unwrap().leader_epoch
    };
    assert_eq!(epoch(OffsetSpec::Earliest, Isolation::ReadUncommitted).await, -1);
    node.produce("t", 0, batch(&["a"])).await.unwrap();
    let now = node.broker.watermarks(&"t".into(), 0).unwrap().leader_epoch;
    assert_eq!(epoch(OffsetSpec::LatestTiered, Isolation::ReadUncommitted).await, -1);
    for spec in [OffsetSpec::Earliest, OffsetSpec::EarliestLocal, OffsetSpec::Latest] {
        assert_eq!(epoch(spec, Isolation::ReadCommitted).await, now);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leader_epochs_rise_with_restarts_and_end_where_the_next_begins() {
    let node = Node::start().await;
    node.create("t", 1).await;
    node.produce("t", 0, batch(&["a", "b"])).await.unwrap();
    let first = node.broker.watermarks(&"t".into(), 0).unwrap().leader_epoch;
    let node = node.restart().await;
    node.produce("t", 0, batch(&["c"])).await.unwrap();
    let second = node.broker.watermarks(&"t".into(), 0).unwrap().leader_epoch;
    let end = |asked| {
        let end = node.broker.offset_for_leader_epoch(&"t".into(), 0, -1, asked).unwrap();
        (end.leader_epoch, end.end_offset)
    };
    assert!(second >= first);
    assert_eq!(end(second), (second, 3));
    if second > first {
        assert_eq!(end(first), (first, 2));
    }
    assert_eq!(end(second + 1), (-1, -1));
    let fenced = node.broker.offset_for_leader_epoch(&"t".into(), 0, second + 5, first).unwrap_err();
    assert_eq!(fenced.kind, ErrorKind::UnknownLeaderEpoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_records_moves_the_start() {
    let node = Node::start().await;
    node.create("t", 1).await;
    node.produce("t", 0, batch(&["a", "b", "c"])).await.unwrap();
    let delete = |offset| {
        let broker = node.broker.clone();
        async move { broker.delete_records(&"t".into(), 0, offset).await }
    };
    assert_eq!(delete(2).await.unwrap(), 2);
    assert_eq!(delete(1).await.unwrap(), 2, "it does not go back");
    assert_eq!(delete(9).await.unwrap_err().kind, ErrorKind::OffsetOutOfRange);
    assert_eq!(
        crate::node::fetch_one(&node.broker, "t", 0, 0).await.error.unwrap().kind,
        ErrorKind::OffsetOutOfRange
    );
    assert_eq!(node.read_all("t", 0, 2).await.len(), 1);
    assert_eq!(delete(-1).await.unwrap(), 3);
    node.produce("t", 0, batch(&["d"])).await.unwrap();
    node.broker.seal("t", true).await.unwrap();
    assert_eq!(node.read_all("t", 0, 3).await.len(), 1);
    assert_eq!(node.broker.verify("t").await.unwrap().problems, Vec::<String>::new());
}
