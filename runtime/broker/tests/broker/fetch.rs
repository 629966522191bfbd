//! Fetching: limits, refusals, long polls.

use std::time::{Duration, Instant};

use tidemill_broker::{ErrorKind, FetchRequest, Isolation};

use crate::node::{Node, batch, fetch_one, fetch_request, want};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_outside_of_the_log_are_refused() {
    let node = Node::start().await;
    node.create("t", 1).await;
    node.produce("t", 0, batch(&["a", "b", "c"])).await.unwrap();
    let fetched = fetch_one(&node.broker, "t", 0, 4).await;
    assert_eq!(fetched.error.unwrap().kind, ErrorKind::OffsetOutOfRange);
    assert_eq!((fetched.log_start_offset, fetched.high_watermark), (0, 3));
    let fetched = fetch_one(&node.broker, "t", 0, 3).await;
    assert!(fetched.error.is_none() && fetched.batches.is_empty());
    let fetched = fetch_one(&node.broker, "t", 0, 1).await;
    assert_eq!(fetched.batches[0].base_offset(), 0, "a batch comes whole");
    assert_eq!(
        fetch_one(&node.broker, "x", 0, 0).await.error.unwrap().kind,
        ErrorKind::UnknownTopicOrPartition
    );
    let epoch = fetched.batches[0].header().partition_leader_epoch;
    for (asked, kind) in
        [(epoch + 1, ErrorKind::UnknownLeaderEpoch), (epoch - 1, ErrorKind::FencedLeaderEpoch)]
    {
        let mut part = want("t", 0, 0);
        part.current_leader_epoch = asked;
        if asked >= 0 {
            let answer = node.broker.fetch(fetch_request(vec![part])).await.remove(0);
            assert_eq!(answer.error.unwrap().kind, kind);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_but_the_first_batch_comes_whole() {
    let node = Node::start().await;
    node.create("t", 2).await;
    let value = "v".repeat(1000);
    for partition in 0..2 {
        for _ in 0..10 {
            node.produce("t", partition, batch(&[value.as_str()])).await.unwrap();
        }
    }
    let one = fetch_one(&node.broker, "t", 0, 0).await.batches[0].size_bytes();
    let ask = |max_bytes: usize, own: usize| {
        let mut parts = vec![want("t", 0, 0), want("t", 1, 0)];
        parts.iter_mut().for_each(|part| part.max_bytes = own as i32);
        FetchRequest { max_bytes: max_bytes as i32, ..fetch_request(parts) }
    };
    let sizes = |fetched: Vec<tidemill_broker::FetchedPartition>| {
        fetched.iter().map(|part| part.batches.len()).collect::<Vec<_>>()
    };
    assert_eq!(sizes(node.broker.fetch(ask(10, 10)).await), vec![1, 0]);
    assert_eq!(sizes(node.broker.fetch(ask(one * 3, one * 30)).await), vec![3, 0]);
    assert_eq!(sizes(node.broker.fetch(ask(one * 12, one * 30)).await), vec![10, 2]);
    assert_eq!(sizes(node.broker.fetch(ask(one * 30, one * 4)).await), vec![4, 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_poll_is_woken_by_its_partitions_only() {
    let node = Node::start().await;
    node.create("t", 2).await;
    let poll = |partition, max_wait_ms| {
        let broker = node.broker.clone();
        let request = FetchRequest { max_wait_ms, ..fetch_request(vec![want("t", partition, 0)]) };
        tokio::spawn(async move { broker.fetch(request).await.remove(0) })
    };
    let waiting = poll(0, 20_000);
    let other = poll(1, 600);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(node.metric("tidemill_fetch_waiting"), 2);
    let started = Instant::now();
    node.produce("t", 0, batch(&["wake"])).await.unwrap();
    let fetched = waiting.await.unwrap();
    assert_eq!(fetched.batches.len(), 1);
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(other.await.unwrap().batches.is_empty());
    assert_eq!(node.metric("tidemill_fetch_waiting"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_poll_waits_for_enough_bytes() {
    let node = Node::start().await;
    node.create("t", 1).await;
    let broker = node.broker.clone();
    let request =
        FetchRequest { max_wait_ms: 20_000, min_bytes: 700, ..fetch_request(vec![want("t", 0, 0)]) };
    let waiting = tokio::spawn(async move { broker.fetch(request).await.remove(0) });
    let value = "v".repeat(200);
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!waiting.is_finished());
        node.produce("t", 0, batch(&[value.as_str()])).await.unwrap();
    }
    assert!(waiting.await.unwrap().size_bytes() >= 700);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_and_deleting_end_long_polls() {
    let node = Node::start().await;
    node.create("t", 1).await;
    node.create("gone", 1).await;
    let poll = |topic: &str| {
        let broker = node.broker.clone();
        let isolation = Isolation::ReadCommitted;
        let request =
            FetchRequest { max_wait_ms: 60_000, isolation, ..fetch_request(vec![want(topic, 0, 0)]) };
        tokio::spawn(async move { broker.fetch(request).await.remove(0) })
    };
    let (stopped, deleted) = (poll("t"), poll("gone"));
    tokio::time::sleep(Duration::from_millis(50)).await;
    node.broker.delete_topic(&"gone".into()).await.unwrap();
    assert_eq!(deleted.await.unwrap().error.unwrap().kind, ErrorKind::UnknownTopicOrPartition);
    node.broker.shutdown().await;
    assert!(stopped.await.unwrap().batches.is_empty());
}
