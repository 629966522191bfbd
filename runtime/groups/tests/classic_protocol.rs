//! The coordinator as members see it, over a store in memory and a clock that tests move.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidemill_groups::{
    CommitRequest, CommittedOffset, Coordinator, Error, GroupState, GroupStore, HeartbeatRequest,
    JoinRequest, Joined, LeaveRequest, LeavingMember, MemoryStore, OffsetKey, Options, Protocol, StoreError,
    SyncRequest,
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

async fn coordinator(store: &Arc<MemoryStore>) -> Coordinator {
    Coordinator::start(store.clone(), Options::default()).await.unwrap()
}

fn join(member_id: &str) -> JoinRequest {
    JoinRequest {
        group_id: "g".into(),
        member_id: member_id.into(),
        client_id: "app".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 30_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol("range", b"r"), protocol("sticky", b"s")],
        ..JoinRequest::default()
    }
}

fn static_join(member_id: &str, instance: &str) -> JoinRequest {
    JoinRequest { instance_id: Some(instance.into()), supports_skipping_assignment: true, ..join(member_id) }
}

fn protocol(name: &str, metadata: &'static [u8]) -> Protocol {
    Protocol { name: name.into(), metadata: Bytes::from_static(metadata) }
}

fn sync(joined: &Joined) -> SyncRequest {
    let share = |id: &str| (id.to_owned(), Bytes::from(format!("for {id}")));
    SyncRequest {
        group_id: "g".into(),
        generation: joined.generation,
        member_id: joined.member_id.clone(),
        assignments: joined.members.iter().map(|m| share(&m.member_id)).collect(),
        ..SyncRequest::default()
    }
}

fn heartbeat(joined: &Joined) -> HeartbeatRequest {
    HeartbeatRequest {
        group_id: "g".into(),
        generation: joined.generation,
        member_id: joined.member_id.clone(),
        instance_id: None,
    }
}

/// Two members, joined and synced.
async fn pair(groups: &Coordinator) -> (Joined, Joined) {
    let (a, b) = tokio::join!(groups.join(join("")), groups.join(join("")));
    let (a, b) = (a.unwrap(), b.unwrap());
    let (sa, sb) = tokio::join!(groups.sync(sync(&a)), groups.sync(sync(&b)));
    assert_eq!(sa.unwrap().assignment, format!("for {}", a.member_id));
    assert_eq!(sb.unwrap().assignment, format!("for {}", b.member_id));
    (a, b)
}

#[tokio::test(start_paused = true)]
async fn members_that_come_together_share_the_first_generation() {
    let groups = coordinator(&Arc::default()).await;
    let before = Instant::now();
    let (a, b) = pair(&groups).await;
    let waited = before.elapsed();
    assert!(waited >= Duration::from_secs(3) && waited < Duration::from_secs(10), "{waited:?}");
    assert_eq!((a.generation, b.generation), (1, 1));
    assert_eq!(a.leader, b.leader);
    assert_eq!(a.members.len() + b.members.len(), 2, "the leader alone sees the members");
    assert_eq!(a.protocol.as_deref(), Some("range"));
    assert_eq!(groups.describe("g").unwrap().state, GroupState::Stable);
}

#[tokio::test(start_paused = true)]
async fn a_member_without_id_gets_one_first() {
    let groups = coordinator(&Arc::default()).await;
    let request = JoinRequest { require_known_member_id: true, ..join("") };
    let Err(Error::MemberIdRequired { member_id }) = groups.join(request.clone()).await else {
        panic!("an id is required")
    };
    assert!(member_id.starts_with("app-"));
    let joined = groups.join(JoinRequest { member_id: member_id.clone(), ..request }).await.unwrap();
    assert_eq!(joined.member_id, member_id);
}

#[tokio::test(start_paused = true)]
async fn a_group_nobody_came_to_is_forgotten() {
    let groups = coordinator(&Arc::default()).await;
    let request = JoinRequest { require_known_member_id: true, ..join("") };
    assert!(groups.join(request).await.is_err());
    assert_eq!(groups.list().len(), 1);
    sleep(Duration::from_secs(11)).await;
    assert!(groups.list().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_third_member_makes_the_others_join_again() {
    let groups = coordinator(&Arc::default()).await;
    let (a, b) = pair(&groups).await;
    let third = tokio::spawn({
        let groups = groups.clone();
        async move { groups.join(join("")).await }
    });
    sleep(Duration::from_millis(1)).await;
    assert_eq!(groups.heartbeat(&heartbeat(&a)), Err(Error::RebalanceInProgress));
    let (a, b) = tokio::join!(groups.join(join(&a.member_id)), groups.join(join(&b.member_id)));
    let c = third.await.unwrap().unwrap();
    assert_eq!([a.unwrap().generation, b.unwrap().generation, c.generation], [2, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_member_is_out_after_its_session() {
    let groups = coordinator(&Arc::default()).await;
    let (a, b) = pair(&groups).await;
    for _ in 0..3 {
        sleep(Duration::from_secs(4)).await;
        let _ = groups.heartbeat(&heartbeat(&a));
    }
    let a = groups.join(join(&a.member_id)).await.unwrap();
    assert_eq!((a.generation, a.members.len()), (2, 1));
    assert_eq!(groups.heartbeat(&heartbeat(&b)), Err(Error::UnknownMemberId));
}

#[tokio::test(start_paused = true)]
async fn leaving_ends_the_membership_at_once() {
    let groups = coordinator(&Arc::default()).await;
    let (a, b) = pair(&groups).await;
    let leave = |id: &str| LeaveRequest {
        group_id: "g".into(),
        members: vec![LeavingMember { member_id: id.into(), instance_id: None }],
    };
    assert_eq!(groups.leave(leave(&b.member_id)).unwrap()[0].result, Ok(()));
    assert_eq!(groups.leave(leave(&b.member_id)).unwrap()[0].result, Err(Error::UnknownMemberId));
    let a = groups.join(join(&a.member_id)).await.unwrap();
    assert_eq!(a.members.len(), 1);
    assert_eq!(groups.delete("g").await, Err(Error::NonEmptyGroup));
    groups.leave(leave(&a.member_id)).unwrap();
    assert_eq!(groups.describe("g").unwrap().state, GroupState::Empty);
    groups.delete("g").await.unwrap();
    assert_eq!(groups.delete("g").await, Err(Error::GroupIdNotFound));
}

#[tokio::test(start_paused = true)]
async fn a_static_member_comes_back_without_a_rebalance() {
    let groups = coordinator(&Arc::default()).await;
    let first = groups.join(static_join("", "i")).await.unwrap();
    let request = SyncRequest { instance_id: Some("i".into()), ..sync(&first) };
    let share = groups.sync(request).await.unwrap().assignment;
    let again = groups.join(static_join("", "i")).await.unwrap();
    assert_eq!(again.generation, first.generation);
    assert_ne!(again.member_id, first.member_id);
    assert!(again.skip_assignment && again.members.len() == 1);
    let request = SyncRequest { instance_id: Some("i".into()), assignments: vec![], ..sync(&again) };
    assert_eq!(groups.sync(request).await.unwrap().assignment, share);
    let old = HeartbeatRequest { instance_id: Some("i".into()), ..heartbeat(&first) };
    assert_eq!(groups.heartbeat(&old), Err(Error::FencedInstanceId));
}

#[tokio::test(start_paused = true)]
async fn generation_and_assignment_survive_a_restart() {
    let store = Arc::default();
    let groups = coordinator(&store).await;
    let (a, b) = pair(&groups).await;
    drop(groups);
    let groups = coordinator(&store).await;
    assert_eq!(groups.heartbeat(&heartbeat(&a)), Ok(()));
    let again = SyncRequest { assignments: vec![], ..sync(&b) };
    assert_eq!(groups.sync(again).await.unwrap().assignment, format!("for {}", b.member_id));
    sleep(Duration::from_secs(60)).await;
    let described = groups.describe("g").unwrap();
    assert_eq!((described.state, described.members.len()), (GroupState::Empty, 0));
}

#[tokio::test(start_paused = true)]
async fn an_assignment_that_is_not_stored_is_not_handed_out() {
    let store: Arc<MemoryStore> = Arc::default();
    let groups = coordinator(&store).await;
    let joined = groups.join(join("")).await.unwrap();
    store.refuse(Some(StoreError::Unavailable("disk full".into())));
    assert!(matches!(groups.sync(sync(&joined)).await, Err(Error::NotAvailable(_))));
    store.refuse(None);
    let joined = groups.join(join(&joined.member_id)).await.unwrap();
    assert!(groups.sync(sync(&joined)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn offsets_are_for_members_or_for_a_group_without_any() {
    let store = Arc::default();
    let groups = coordinator(&store).await;
    let key = OffsetKey { topic_id: Uuid::from_u128(1), partition: 0 };
    let commit = |generation: i32, member_id: &str, offset: i64| CommitRequest {
        group_id: "g".into(),
        generation,
        member_id: member_id.into(),
        instance_id: None,
        offsets: vec![CommittedOffset { key, offset, leader_epoch: -1, metadata: String::new() }],
        retention_ms: None,
    };
    assert_eq!(groups.commit_offsets(commit(3, "x", 1)).await, Err(Error::IllegalGeneration));
    assert_eq!(groups.commit_offsets(commit(-1, "", 5)).await, Ok(()));
    let (a, _) = pair(&groups).await;
    assert_eq!(groups.commit_offsets(commit(-1, "", 6)).await, Err(Error::UnknownMemberId));
    assert_eq!(groups.commit_offsets(commit(0, &a.member_id, 6)).await, Err(Error::IllegalGeneration));
    assert_eq!(groups.commit_offsets(commit(1, &a.member_id, 7)).await, Ok(()));
    let found = groups.fetch_offsets("g", Some(vec![key])).await.unwrap();
    assert_eq!(found[0].offset, 7);
    assert_eq!(groups.delete_offsets("g", vec![("t".into(), key)]).await, Err(Error::NonEmptyGroup));
    assert_eq!(store.load().await.unwrap().len(), 1);
}

#[tokio::test]
async fn limits_limit() {
    let options = Options { max_groups: 1, max_group_size: 1, ..Options::default() };
    let groups = Coordinator::start(Arc::<MemoryStore>::default(), options).await.unwrap();
    let known = JoinRequest { require_known_member_id: true, ..join("") };
    assert!(matches!(groups.join(known.clone()).await, Err(Error::MemberIdRequired { .. })));
    assert_eq!(groups.join(known.clone()).await, Err(Error::GroupMaxSizeReached));
    let other = JoinRequest { group_id: "h".into(), ..known.clone() };
    assert_eq!(groups.join(other).await, Err(Error::GroupMaxSizeReached));
    let short = JoinRequest { session_timeout_ms: 100, ..known.clone() };
    assert_eq!(groups.join(short).await, Err(Error::InvalidSessionTimeout));
    let nameless = JoinRequest { group_id: String::new(), ..known.clone() };
    assert_eq!(groups.join(nameless).await, Err(Error::InvalidGroupId));
    let none = JoinRequest { protocols: vec![], ..known };
    assert!(groups.join(none).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn two_hundred_members_join_in_one_generation() {
    let groups = coordinator(&Arc::default()).await;
    let joined = futures::future::join_all((0..200).map(|_| groups.join(join("")))).await;
    let joined: Vec<Joined> = joined.into_iter().map(Result::unwrap).collect();
    assert!(joined.iter().all(|member| member.generation == 1));
    let leaders: Vec<&Joined> = joined.iter().filter(|member| !member.members.is_empty()).collect();
    assert_eq!((leaders.len(), leaders[0].members.len()), (1, 200));
    let synced = futures::future::join_all(joined.iter().map(|member| groups.sync(sync(member)))).await;
    for (member, synced) in joined.iter().zip(synced) {
        assert_eq!(synced.unwrap().assignment, format!("for {}", member.member_id));
    }
}
