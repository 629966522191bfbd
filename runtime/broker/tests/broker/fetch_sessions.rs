//! Incremental fetch sessions: what is looked at, what is sent, and who may go on.

use std::time::Duration;

use tidemill_broker::{
    Broker, ErrorKind, FetchPartition, FetchRequest, FetchedPartition, SessionFetch, SessionFetched, TopicRef,
};

use crate::node::{Node, batch, fetch_request, want};

const LOOKS: &str = "tidemill_fetch_looks_total";

fn session_fetch(session_id: i32, epoch: i32, partitions: Vec<FetchPartition>) -> SessionFetch {
    let request = fetch_request(partitions);
    SessionFetch { session_id, epoch, by_topic_id: false, request, forgotten: Vec::new() }
}

async fn ask(broker: &Broker, id: i32, epoch: i32, partitions: Vec<FetchPartition>) -> SessionFetched {
    broker.fetch_in_session(session_fetch(id, epoch, partitions)).await.unwrap()
}

async fn refused(broker: &Broker, id: i32, epoch: i32) -> ErrorKind {
    broker.fetch_in_session(session_fetch(id, epoch, vec![])).await.unwrap_err().kind
}

fn numbers(fetched: &[FetchedPartition]) -> Vec<i32> {
    fetched.iter().map(|partition| partition.partition).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_looks_at_the_partitions_that_have_something() {
    let node = Node::start().await;
    node.create("t", 10_000).await;
    let all = (0..10_000).map(|partition| want("t", partition, 0)).collect();
    let SessionFetched { session_id, partitions } = ask(&node.broker, 0, 0, all).await;
    assert_eq!((session_id > 0, partitions.len()), (true, 10_000));
    assert_eq!(node.metric("tidemill_fetch_session_partitions"), 10_000);
    let before = node.metric(LOOKS);
    assert!(ask(&node.broker, session_id, 1, vec![]).await.partitions.is_empty());
    assert_eq!(node.metric(LOOKS) - before, 0, "nothing happened, so nothing is looked at");
    node.produce("t", 7777, batch(&["a"])).await.unwrap();
    let fetched = ask(&node.broker, session_id, 2, vec![]).await.partitions;
    assert_eq!((numbers(&fetched), fetched[0].batches.len()), (vec![7777], 1));
    assert!(ask(&node.broker, session_id, 3, vec![want("t", 7777, 1)]).await.partitions.is_empty());
    assert_eq!(node.metric(LOOKS) - before, 2);
    // A fetch that waits is woken, and looks at what woke it.
    let mut request = session_fetch(session_id, 4, vec![]);
    request.request.max_wait_ms = 60_000;
    let broker = node.broker.clone();
    let waiting = tokio::spawn(async move { broker.fetch_in_session(request).await });
    while node.metric("tidemill_fetch_waiting") == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    node.produce("t", 42, batch(&["b"])).await.unwrap();
    assert_eq!(numbers(&waiting.await.unwrap().unwrap().partitions), vec![42]);
    assert_eq!(node.metric(LOOKS) - before, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn epochs_follow_one_another_and_sessions_end() {
    let node = Node::start().await;
    node.create("t", 1).await;
    assert_eq!(refused(&node.broker, 12345, 1).await, ErrorKind::FetchSessionIdNotFound);
    let id = ask(&node.broker, 0, 0, vec![want("t", 0, 0)]).await.session_id;
    assert_eq!(refused(&node.broker, id, 2).await, ErrorKind::InvalidFetchSessionEpoch);
    assert_eq!(ask(&node.broker, id, 1, vec![]).await.session_id, id);
    assert_eq!(refused(&node.broker, id, 1).await, ErrorKind::InvalidFetchSessionEpoch);
    let mut by_id = session_fetch(id, 2, vec![]);
    by_id.by_topic_id = true;
    let refusal = node.broker.fetch_in_session(by_id).await.unwrap_err();
    assert_eq!(refusal.kind, ErrorKind::FetchSessionTopicIdError);
    // A full fetch that names a session ends it.
    let next = ask(&node.broker, id, 0, vec![want("t", 0, 0)]).await.session_id;
    assert!(next > 0 && next != id);
    assert_eq!(refused(&node.broker, id, 2).await, ErrorKind::FetchSessionIdNotFound);
    assert_eq!(ask(&node.broker, next, -1, vec![want("t", 0, 0)]).await.session_id, 0);
    assert_eq!(refused(&node.broker, next, 1).await, ErrorKind::FetchSessionIdNotFound);
    assert_eq!(node.metric("tidemill_fetch_sessions"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_are_added_and_forgotten() {
    let node = Node::start().await;
    node.create("t", 3).await;
    let id = ask(&node.broker, 0, 0, vec![want("t", 0, 0), want("t", 1, 0)]).await.session_id;
    let mut change = session_fetch(id, 1, vec![want("t", 2, 0)]);
    change.forgotten = vec![(TopicRef::from("t"), 0)];
    let fetched = node.broker.fetch_in_session(change).await.unwrap().partitions;
    assert_eq!(numbers(&fetched), vec![2], "one that is new is answered");
    for partition in 0..3 {
        node.produce("t", partition, batch(&["x"])).await.unwrap();
    }
    assert_eq!(numbers(&ask(&node.broker, id, 2, vec![]).await.partitions), vec![1, 2]);
    // What was answered and not moved on from is answered again.
    assert_eq!(numbers(&ask(&node.broker, id, 3, vec![want("t", 1, 1)]).await.partitions), vec![2]);
    // Without partitions there is no session.
    let mut empty = session_fetch(id, 4, vec![]);
    empty.forgotten = vec![(TopicRef::from("t"), 1), (TopicRef::from("t"), 2)];
    let ended = node.broker.fetch_in_session(empty).await.unwrap();
    assert_eq!((ended.session_id, ended.partitions.len()), (0, 0));
    assert_eq!(refused(&node.broker, id, 5).await, ErrorKind::FetchSessionIdNotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_partition_starves() {
    let node = Node::start().await;
    node.create("t", 5).await;
    let value = "v".repeat(1000);
    for partition in 0..5 {
        for _ in 0..20 {
            node.produce("t", partition, batch(&[value.as_str()])).await.unwrap();
        }
    }
    let mut positions = [0; 5];
    let mut wanted: Vec<_> = (0..5).map(|partition| want("t", partition, 0)).collect();
    let mut served = [0; 5];
    let mut id = 0;
    for epoch in 0..20 {
        // There is room for one batch only.
        let mut fetch = session_fetch(id, epoch, std::mem::take(&mut wanted));
        fetch.request.max_bytes = 100;
        let fetched = node.broker.fetch_in_session(fetch).await.unwrap();
        id = fetched.session_id;
        for found in fetched.partitions.iter().filter(|found| !found.batches.is_empty()) {
            let partition = found.partition as usize;
            positions[partition] = found.batches.last().unwrap().next_offset();
            served[partition] += 1;
            wanted.push(want("t", found.partition, positions[partition]));
        }
    }
    assert_eq!(served, [4; 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_takes_over_from_one_that_waits_and_nothing_is_lost() {
    let node = Node::start().await;
    node.create("t", 1).await;
    let id = ask(&node.broker, 0, 0, vec![want("t", 0, 0)]).await.session_id;
    let wait = |epoch| {
        let broker = node.broker.clone();
        let request = FetchRequest { max_wait_ms: 60_000, ..fetch_request(vec![]) };
        let fetch = SessionFetch { request, ..session_fetch(id, epoch, vec![]) };
        tokio::spawn(async move { broker.fetch_in_session(fetch).await })
    };
    let first = wait(1);
    while node.metric("tidemill_fetch_waiting") == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let second = wait(2);
    assert_eq!(first.await.unwrap().unwrap_err().kind, ErrorKind::InvalidFetchSessionEpoch);
    // One that is broken off has no answer, and the next fetch finds what it would have.
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    node.produce("t", 0, batch(&["x"])).await.unwrap();
    let broken_off = ask(&node.broker, id, 3, vec![]).await;
    assert_eq!(numbers(&broken_off.partitions), vec![0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_come_go_and_come_again() {
    let node = Node::start().await;
    node.create("t", 1).await;
    let topic = TopicRef::Id(node.broker.find_topic(&"t".into()).unwrap().id);
    let by_id = FetchPartition { topic: topic.clone(), ..want("t", 0, 0) };
    let unknown = FetchPartition { topic: TopicRef::Id(uuid::Uuid::from_u128(1)), ..want("t", 0, 0) };
    let mut fetch = session_fetch(0, 0, vec![by_id, unknown]);
    fetch.by_topic_id = true;
    let fetched = node.broker.fetch_in_session(fetch.clone()).await.unwrap();
    let kinds = |fetched: &SessionFetched| {
        fetched.partitions.iter().map(|p| p.error.as_ref().map(|e| e.kind)).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&fetched), [None, Some(ErrorKind::UnknownTopicId)]);
    let (id, other) = (fetched.session_id, ask(&node.broker, 0, 0, vec![want("t", 0, 0)]).await.session_id);
    node.broker.delete_topic(&"t".into()).await.unwrap();
    let mut next = SessionFetch { session_id: id, epoch: 1, ..fetch };
    next.request.partitions.clear();
    let gone = Some(ErrorKind::UnknownTopicId);
    assert_eq!(kinds(&node.broker.fetch_in_session(next.clone()).await.unwrap()), [gone; 2]);
    assert_eq!(kinds(&ask(&node.broker, other, 1, vec![]).await), [Some(ErrorKind::UnknownTopicOrPartition)]);
    node.create("t", 1).await;
    next.epoch = 2;
    let inconsistent = Some(ErrorKind::InconsistentTopicId);
    assert_eq!(kinds(&node.broker.fetch_in_session(next).await.unwrap()), [inconsistent, gone]);
    // By name the new topic is what was asked for, and it wakes the session as the old one did.
    assert_eq!(kinds(&ask(&node.broker, other, 2, vec![]).await), [None]);
    assert!(ask(&node.broker, other, 3, vec![]).await.partitions.is_empty());
    node.produce("t", 0, batch(&["x"])).await.unwrap();
    assert_eq!(numbers(&ask(&node.broker, other, 4, vec![]).await.partitions), vec![0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moved_log_start_is_news() {
    let node = Node::start().await;
    node.create("t", 1).await;
    node.produce("t", 0, batch(&["a", "b"])).await.unwrap();
    let id = ask(&node.broker, 0, 0, vec![want("t", 0, 2)]).await.session_id;
    assert!(ask(&node.broker, id, 1, vec![]).await.partitions.is_empty());
    node.broker.delete_records(&"t".into(), 0, 1).await.unwrap();
    let fetched = ask(&node.broker, id, 2, vec![]).await.partitions;
    assert_eq!((numbers(&fetched), fetched[0].log_start_offset), (vec![0], 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_slots_every_fetch_is_a_full_one() {
    let node = Node::with(|config| config.max_incremental_fetch_session_cache_slots = 0).await;
    node.create("t", 1).await;
    let fetched = ask(&node.broker, 0, 0, vec![want("t", 0, 0)]).await;
    assert_eq!((fetched.session_id, numbers(&fetched.partitions)), (0, vec![0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_parts_from_the_clients_says_where() {
    let node = Node::start().await;
    node.create("t", 1).await;
    node.produce("t", 0, batch(&["a"])).await.unwrap();
    let epoch = node.broker.watermarks(&"t".into(), 0).unwrap().leader_epoch;
    let asked = |offset, last_fetched_epoch| FetchPartition { last_fetched_epoch, ..want("t", 0, offset) };
    // Its records of this epoch go beyond where it ends here.
    let found = node.broker.fetch(fetch_request(vec![asked(5, epoch)])).await.remove(0);
    let parted = found.diverging.unwrap();
    assert_eq!((parted.leader_epoch, parted.end_offset, found.error), (epoch, 1, None));
    assert_eq!((found.high_watermark, found.batches.len()), (1, 0));
    let found = node.broker.fetch(fetch_request(vec![asked(0, epoch)])).await.remove(0);
    assert_eq!((found.diverging, found.batches.len(), found.error), (None, 1, None));
    let found = node.broker.fetch(fetch_request(vec![asked(0, epoch + 1)])).await.remove(0);
    assert_eq!(found.error.unwrap().kind, ErrorKind::OffsetOutOfRange);
}
