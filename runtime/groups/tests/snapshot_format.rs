//! The snapshot's bytes, as they were written when the version was made.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use bytes::Bytes;
use tidemill_groups::{Effect, Group, GroupState, JoinRequest, Options, Protocol, SyncRequest};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/group-snapshot-1.bin");

/// The snapshot of a group of one static member, in its first generation.
fn snapshot() -> Vec<u8> {
    let options = Options { initial_rebalance_delay_ms: 0, ..Options::default() };
    let mut group = Group::new();
    let request = JoinRequest {
        group_id: "g".into(),
        instance_id: Some("instance".into()),
        client_id: "app".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![Protocol { name: "range".into(), metadata: Bytes::from_static(b"subscription") }],
        ..JoinRequest::default()
    };
    group.join(0, 1, request, "fresh", &options);
    let sync = SyncRequest {
        group_id: "g".into(),
        generation: 1,
        member_id: "instance-fresh".into(),
        instance_id: Some("instance".into()),
        assignments: vec![("instance-fresh".into(), Bytes::from_static(b"assignment"))],
        ..SyncRequest::default()
    };
    let effects = group.sync(0, 2, sync, &options);
    effects
        .into_iter()
        .find_map(|effect| match effect {
            Effect::Persist { snapshot, .. } => Some(snapshot),
            _ => None,
        })
        .expect("the assignment is stored")
}

/// Set `UPDATE_GOLDEN=1` to write the file, once per version.
#[test]
fn version_1_is_written_and_read_as_ever() {
    let written = snapshot();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &written).unwrap();
    }
    let golden = std::fs::read(GOLDEN).unwrap();
    assert_eq!(golden, written);
    let group = Group::restore(&golden, 1_000).unwrap();
    assert_eq!((group.state(), group.generation()), (GroupState::Stable, 1));
    assert_eq!(group.leader(), Some("instance-fresh"));
    assert_eq!(group.assignment("instance-fresh").unwrap(), &Bytes::from_static(b"assignment"));
    assert_eq!(group.next_deadline(), Some(11_000));
}

#[test]
fn every_cut_and_every_longer_snapshot_is_refused() {
    let golden = snapshot();
    for end in 0..golden.len() {
        assert!(Group::restore(&golden[..end], 0).is_err(), "cut at {end}");
    }
    let longer = [golden.as_slice(), &[0]].concat();
    assert!(Group::restore(&longer, 0).is_err());
    let newer = [&[9], &golden[1..]].concat();
    assert!(Group::restore(&newer, 0).unwrap_err().to_string().contains("version 9"));
}
