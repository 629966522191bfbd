//! Groups and metadata, rule by rule.

use crate::fixtures::{Machine, function, partition, topic};
use tidemill_state::*;
use uuid::Uuid;

fn metadata(command: MetadataCommand) -> Command {
    Command::Metadata(command)
}

fn commit(group: &str, number: i32, offset: i64) -> Command {
    let offset =
        GroupOffset { partition: partition(number), offset, leader_epoch: 3, metadata: "note".into() };
    Command::CommitOffsets(CommitOffsets { group_id: group.into(), offsets: vec![offset], now_ms: 9 })
}

#[test]
fn a_group_lives_as_long_as_it_has_offsets_or_a_snapshot() {
    let mut machine = Machine::with_partitions(0);
    let empty = machine.state.export().unwrap();
    let put = |snapshot: &[u8]| {
        Command::PutGroup(PutGroup { group_id: "g".into(), snapshot: snapshot.to_vec(), now_ms: 8 })
    };
    machine.must(put(b"members"));
    machine.must(commit("g", 0, 5));
    machine.must(commit("g", 1, 6));
    machine.must(commit("g", 0, 7));
    let group = machine.state.group("g").unwrap();
    assert_eq!(group.snapshot().map(|s| s.to_vec()), Some(b"members".to_vec()));
    let committed = group.offset(&partition(0)).unwrap();
    assert_eq!((committed.offset, committed.leader_epoch, committed.committed_at_ms), (7, 3, 9));
    assert_eq!(&*committed.metadata, "note");
    assert_eq!(machine.state.group_offsets("g").count(), 2);
    assert_eq!(machine.state.group_offsets("other").count(), 0);

    machine.must(put(b""));
    let delete = |partitions| Command::DeleteOffsets { group_id: "g".into(), partitions };
    machine.must(delete(vec![partition(0), partition(4)]));
    assert!(machine.state.group("g").is_some());
    machine.must(delete(vec![partition(1)]));
    assert!(machine.state.export().unwrap() == empty);
    machine.reject(delete(vec![partition(1)]));
    machine.reject(Command::DeleteGroup { group_id: "g".into() });
    machine.must(put(b"members"));
    machine.must(commit("g", 0, 5));
    machine.must(Command::DeleteGroup { group_id: "g".into() });
    assert!(machine.state.export().unwrap() == empty);
}

#[test]
fn topics_have_one_name_and_one_id() {
    let mut machine = Machine::with_partitions(0);
    let create = |name: &str, id| metadata(MetadataCommand::CreateTopic(topic(name, id, &[0, 1])));
    let applied = machine.must(create("a", 1));
    let id = Uuid::from_u128(1);
    assert_eq!(applied.effects, [Effect::MetadataChanged(MetadataChange::Topic(id))]);
    assert!(matches!(machine.reject(create("a", 2)), Rejection::AlreadyExists(_)));
    assert!(matches!(machine.reject(create("b", 1)), Rejection::AlreadyExists(_)));
    for illegal in ["", ".", "..", "a b", "a/b", "ä", &"x".repeat(250)] {
        assert!(matches!(machine.reject(create(illegal, 3)), Rejection::Invalid(_)), "{illegal}");
    }
    machine.must(create(&"x".repeat(249), 3));
    machine.reject(metadata(MetadataCommand::CreateTopic(topic("none", 4, &[]))));

    let add = |expected_partitions, journals| {
        metadata(MetadataCommand::AddPartitions { topic_id: id, expected_partitions, journals })
    };
    assert_eq!(machine.reject(add(1, vec![2])), Rejection::Conflict { expected: 1, found: 2 });
    machine.reject(add(2, vec![]));
    machine.must(add(2, vec![2]));
    let changes = vec![("retention.ms".into(), None), ("segment.ms".into(), Some("5".into()))];
    machine.must(metadata(MetadataCommand::AlterTopicConfigs { topic_id: id, changes }));
    let found = machine.state.metadata().topic_by_name("a").unwrap();
    assert_eq!(found.journals, [0, 1, 2]);
    assert_eq!(found.configs.iter().collect::<Vec<_>>(), [(&"segment.ms".into(), &"5".into())]);

    machine.must(metadata(MetadataCommand::DeleteTopic { topic_id: id }));
    assert!(machine.state.metadata().topic_by_name("a").is_none());
    machine.reject(metadata(MetadataCommand::DeleteTopic { topic_id: id }));
    machine.must(create("a", 5));
}

#[test]
fn function_versions_count_up() {
    let mut machine = Machine::with_partitions(0);
    let deploy =
        |name: &str, id, version| metadata(MetadataCommand::DeployFunction(function(name, id, version)));
    let (id, none) = (Uuid::from_u128(1), Uuid::from_u128(9));
    assert_eq!(machine.reject(deploy("f", 1, 2)), Rejection::Conflict { expected: 1, found: 0 });
    machine.must(deploy("f", 1, 1));
    assert!(matches!(machine.reject(deploy("f", 2, 1)), Rejection::AlreadyExists(_)));
    assert!(matches!(machine.reject(deploy("g", 1, 1)), Rejection::AlreadyExists(_)));
    assert_eq!(machine.reject(deploy("f", 1, 1)), Rejection::Conflict { expected: 0, found: 1 });
    machine.must(deploy("f", 1, 2));
    let pause = |function_id| {
        metadata(MetadataCommand::SetFunctionStatus { function_id, status: FunctionStatus::Paused })
    };
    machine.must(pause(id));
    machine.reject(pause(none));
    let found = machine.state.metadata().function_by_name("f").unwrap();
    assert_eq!((found.version, &found.status), (2, &FunctionStatus::Paused));
    machine.must(metadata(MetadataCommand::DeleteFunction { function_id: id }));
    machine.reject(metadata(MetadataCommand::DeleteFunction { function_id: id }));
    machine.must(deploy("f", 2, 1));
}

#[test]
fn what_is_fixed_once_stays() {
    let mut machine = Machine::with_partitions(0);
    let claim = |id| metadata(MetadataCommand::ClaimCluster { cluster_id: Uuid::from_u128(id) });
    machine.must(claim(1));
    assert!(machine.must(claim(1)).effects.is_empty());
    assert!(matches!(machine.reject(claim(2)), Rejection::AlreadyExists(_)));
    assert_eq!(machine.state.metadata().cluster_id(), Some(Uuid::from_u128(1)));

    let place = |journal| metadata(MetadataCommand::PlaceGroup { group_id: "g".into(), journal });
    assert_eq!(machine.apply(place(3)), Outcome::GroupPlaced { journal: 3 });
    assert_eq!(machine.apply(place(4)), Outcome::GroupPlaced { journal: 3 });

    let ids = |count| metadata(MetadataCommand::AllocateProducerIds { count });
    assert_eq!(machine.apply(ids(1_000)), Outcome::ProducerIds { first: 0 });
    assert_eq!(machine.apply(ids(1)), Outcome::ProducerIds { first: 1_000 });
    assert_eq!(machine.state.metadata().next_producer_id(), 1_001);
    machine.reject(ids(0));
}
