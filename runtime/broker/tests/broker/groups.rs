//! Groups survive in the journals.

use std::time::Duration;

use tidemill_broker::BrokerConfig;
use tidemill_groups::{
    CommitRequest, CommittedOffset, JoinRequest, LeaveRequest, LeavingMember, OffsetKey, Protocol,
    SyncRequest,
};

use crate::node::{Node, small};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_offsets_survive_a_restart() {
    let node = Node::start().await;
    node.create("t", 4).await;
    let topic_id = node.broker.topic("t").unwrap().id;
    let key = |partition| OffsetKey { topic_id, partition };
    for group in ["a", "b", "c"] {
        let offsets = (0..4).map(|partition| tidemill_groups::CommittedOffset {
            key: key(partition),
            offset: i64::from(partition) + 10,
            leader_epoch: -1,
            metadata: group.to_owned(),
        });
        let request = CommitRequest {
            group_id: group.to_owned(),
            generation: -1,
            member_id: String::new(),
            instance_id: None,
            offsets: offsets.collect(),
            retention_ms: None,
        };
        node.broker.groups().commit_offsets(request).await.unwrap();
    }
    let node = node.restart().await;
    for group in ["a", "b", "c"] {
        let mut found = node.broker.groups().fetch_offsets(group, None).await.unwrap();
        found.sort_by_key(|committed| committed.key);
        assert_eq!(found.len(), 4);
        assert_eq!((found[3].offset, found[3].metadata.as_str()), (13, group));
    }
    assert_eq!(node.broker.groups().list().len(), 3);
    node.broker.groups().delete("b").await.unwrap();
    let node = node.restart().await;
    assert_eq!(node.broker.groups().list().len(), 2);
}

fn commit(group: &str, member: Option<(i32, &str)>, offsets: &[OffsetKey]) -> CommitRequest {
    let (generation, member_id) = member.unwrap_or((-1, ""));
    CommitRequest {
        group_id: group.to_owned(),
        generation,
        member_id: member_id.to_owned(),
        instance_id: None,
        offsets: offsets
            .iter()
            .map(|key| CommittedOffset { key: *key, offset: 1, leader_epoch: -1, metadata: String::new() })
            .collect(),
        retention_ms: None,
    }
}

/// A subscription of a consumer, version 0: these topics, no user data.
fn subscription(topics: &[&str]) -> Vec<u8> {
    let mut out = vec![0, 0];
    out.extend((topics.len() as u32).to_be_bytes());
    for topic in topics {
        out.extend((topic.len() as u16).to_be_bytes());
        out.extend(topic.as_bytes());
    }
    out.extend((-1i32).to_be_bytes());
    out
}

/// Joins a group alone and gets its assignment. Answers generation and member id.
async fn join(node: &Node, group: &str, topics: &[&str]) -> (i32, String) {
    let protocol = Protocol { name: "range".into(), metadata: subscription(topics).into() };
    let request = JoinRequest {
        group_id: group.into(),
        client_id: "app".into(),
        session_timeout_ms: 1_800_000,
        rebalance_timeout_ms: 1_800_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..JoinRequest::default()
    };
    let joined = node.broker.groups().join(request).await.unwrap();
    let sync = SyncRequest {
        group_id: group.into(),
        generation: joined.generation,
        member_id: joined.member_id.clone(),
        assignments: vec![(joined.member_id.clone(), b"all".to_vec().into())],
        ..SyncRequest::default()
    };
    node.broker.groups().sync(sync).await.unwrap();
    (joined.generation, joined.member_id)
}

async fn offsets(node: &Node, group: &str) -> usize {
    node.broker.groups().fetch_offsets(group, None).await.unwrap().len()
}

async fn until_offsets(node: &Node, group: &str, count: usize) {
    for _ in 0..100 {
        if offsets(node, group).await == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{group} has {} offsets, not {count}", offsets(node, group).await);
}

/// Offsets are kept for an hour.
fn forgetful(config: &mut BrokerConfig) {
    small(config);
    config.group_initial_rebalance_delay_ms = 0;
    config.offsets_retention_minutes = 60;
    config.offsets_retention_check_interval_ms = 10;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_that_nobody_needs_expire() {
    let node = Node::with(forgetful).await;
    for topic in ["used", "dropped", "deleted"] {
        node.create(topic, 1).await;
    }
    let key = |topic: &str| OffsetKey { topic_id: node.broker.topic(topic).unwrap().id, partition: 0 };
    let keys = [key("used"), key("dropped"), key("deleted")];
    let groups = node.broker.groups();
    let (generation, member) = join(&node, "live", &["used"]).await;
    groups.commit_offsets(commit("live", Some((generation, &member)), &keys)).await.unwrap();
    let (generation, member) = join(&node, "left", &["used"]).await;
    groups.commit_offsets(commit("left", Some((generation, &member)), &keys[..1])).await.unwrap();
    groups.commit_offsets(commit("simple", None, &keys[..2])).await.unwrap();
    node.broker.delete_topic(&"deleted".into()).await.unwrap();
    // What is committed of a topic that is gone goes at once.
    until_offsets(&node, "live", 2).await;
    node.clock.advance(50 * 60_000);
    let leaving = LeavingMember { member_id: member, instance_id: None };
    groups.leave(LeaveRequest { group_id: "left".into(), members: vec![leaving] }).unwrap();
    groups.commit_offsets(commit("simple", None, &keys[..1])).await.unwrap();
    node.clock.advance(11 * 60_000);
    until_offsets(&node, "live", 1).await;
    until_offsets(&node, "simple", 1).await;
    assert_eq!(offsets(&node, "left").await, 1, "it has been empty for eleven minutes only");
    node.clock.advance(50 * 60_000);
    until_offsets(&node, "left", 0).await;
    until_offsets(&node, "simple", 0).await;
    for _ in 0..100 {
        if groups.list().len() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let listed: Vec<_> = groups.list().into_iter().map(|group| group.group_id).collect();
    assert_eq!(listed, ["live"], "groups without members and offsets are forgotten");
    assert_eq!(offsets(&node, "live").await, 1, "what a member subscribes to stays");
    // A group that was forgotten can come back.
    groups.commit_offsets(commit("simple", None, &keys[..1])).await.unwrap();
    let node = node.restart().await;
    assert_eq!(node.broker.groups().list().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_expire_when_their_client_said_so() {
    let node = Node::with(forgetful).await;
    for topic in ["used", "dropped"] {
        node.create(topic, 1).await;
    }
    let key = |topic: &str| OffsetKey { topic_id: node.broker.topic(topic).unwrap().id, partition: 0 };
    let keys = [key("used"), key("dropped")];
    let until = |request: CommitRequest, minutes: i64| CommitRequest {
        retention_ms: Some(minutes * 60_000),
        ..request
    };
    let groups = node.broker.groups();
    groups.commit_offsets(until(commit("longer", None, &keys[..1]), 120)).await.unwrap();
    groups.commit_offsets(until(commit("replaced", None, &keys[..1]), 10)).await.unwrap();
    groups.commit_offsets(commit("replaced", None, &keys[..1])).await.unwrap();
    let (generation, member) = join(&node, "live", &["used"]).await;
    let live = commit("live", Some((generation, &member)), &keys);
    groups.commit_offsets(until(live, 10)).await.unwrap();
    node.clock.advance(11 * 60_000);
    until_offsets(&node, "live", 1).await;
    assert_eq!(offsets(&node, "replaced").await, 1, "it goes by the broker's setting again");
    let node = node.restart().await;
    node.clock.advance(50 * 60_000);
    until_offsets(&node, "replaced", 0).await;
    assert_eq!(offsets(&node, "longer").await, 1, "it outlives the broker's setting");
    node.clock.advance(60 * 60_000);
    until_offsets(&node, "longer", 0).await;
}
