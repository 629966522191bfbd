//! Files of every persisted version, written once and read for ever.
//!
//! To add one for a new version: run with `UPDATE_GOLDEN=1`, which only writes what is absent.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tidemill_disk::SimDisk;
use tidemill_state::*;
use uuid::Uuid;

use crate::fixtures::{self, Machine, batch, instance, partition, producer_batch, progress};

fn golden(name: &str, now: &[u8]) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() && !path.exists() {
        std::fs::write(&path, now).unwrap();
    }
    std::fs::read(&path).unwrap()
}

/// Commands are written as in the file, which is read as them.
fn entry_stays(file: &str, commands: &[Command]) {
    let now: Vec<u8> = encode_entry(commands).unwrap().parts.concat();
    let stored = golden(file, &now);
    assert_eq!(decode_entry(Bytes::from(stored.clone())).unwrap().commands, commands);
    assert!(now == stored, "the encoding of version 1 changed");
}

/// A state is written as in the file, which is read as it.
fn snapshot_stays(file: &str, state: &State) {
    let now = state.export().unwrap();
    let stored = golden(file, &now);
    assert!(State::import(&stored).unwrap().export().unwrap() == stored);
    assert!(now == stored, "the encoding of version 1, or what apply does, changed");
}

/// Commands, and the state to which they bring the machine, have files of version 1 of this name.
pub fn version_1_stays(name: &str, mut machine: Machine, commands: Vec<Command>) {
    entry_stays(&format!("{name}-entry-v1.bin"), &commands);
    for command in commands {
        machine.must(command);
    }
    snapshot_stays(&format!("{name}-snapshot-v1.bin"), &machine.state);
}

fn far() -> PartitionId {
    PartitionId { topic_id: Uuid::from_u128(99), partition: 3 }
}

/// One command of every kind; all of them are accepted.
fn every_command() -> Vec<Command> {
    let instance = instance(1, 0);
    let mut step = progress(instance, 0, 2);
    step.outputs = vec![fixtures::append(1, vec![batch(1), batch(2)], 6)];
    let message = OutboxMessage { target: far(), batch: OutboxBatch(batch(1).to_vec()) };
    step.outbox = vec![message.clone(), message];
    step.state_changes = vec![(b"count".to_vec(), Some(b"2".to_vec())), (b"gone".to_vec(), None)];
    let sender = FunctionInstance { function_id: Uuid::from_u128(2), input: far() };
    let received = OutboxStream { instance: sender, target: partition(1) };
    let sent = OutboxStream { instance, target: far() };
    let mut commands = vec![
        fixtures::open(0),
        fixtures::open(1),
        fixtures::open(2),
        Command::Append(fixtures::append(0, vec![producer_batch(5, 1, 0, 3)], 5)),
        Command::Append(fixtures::append(0, vec![producer_batch(5, 1, 3, 2), batch(4)], 6)),
        fixtures::archive(0, 0, 2),
        fixtures::archive(0, 3, 4),
        fixtures::trim(0, 1),
        Command::OpenFunction(OpenFunction { instance, position: 0 }),
        Command::FunctionProgress(step),
        Command::OutboxDelivered(OutboxDelivered { stream: sent, last_sequence: 1 }),
        Command::AcceptOutbox(AcceptOutbox {
            stream: received,
            first_sequence: 1,
            append: fixtures::append(1, vec![batch(1), batch(1)], 7),
        }),
        Command::OpenFunction(OpenFunction { instance: fixtures::instance(3, 1), position: 1 }),
        Command::CloseFunction(fixtures::instance(3, 1)),
        Command::ClosePartition(partition(2)),
    ];
    commands.extend(every_group_command());
    commands.extend(every_metadata_command().into_iter().map(Command::Metadata));
    commands
}

fn every_group_command() -> Vec<Command> {
    let offset = |number| GroupOffset {
        partition: partition(number),
        offset: 2,
        leader_epoch: 1,
        metadata: "müde".into(),
    };
    vec![
        Command::CommitOffsets(CommitOffsets {
            group_id: "readers".into(),
            offsets: vec![offset(0), offset(1)],
            now_ms: 8,
        }),
        Command::DeleteOffsets { group_id: "readers".into(), partitions: vec![partition(1)] },
        Command::PutGroup(PutGroup { group_id: "readers".into(), snapshot: b"members".to_vec(), now_ms: 8 }),
        Command::PutGroup(PutGroup { group_id: "gone".into(), snapshot: b"members".to_vec(), now_ms: 8 }),
        Command::DeleteGroup { group_id: "gone".into() },
    ]
}

fn every_metadata_command() -> Vec<MetadataCommand> {
    let (topic_id, function_id) = (Uuid::from_u128(1), Uuid::from_u128(2));
    vec![
        MetadataCommand::ClaimCluster { cluster_id: Uuid::from_u128(77) },
        MetadataCommand::CreateTopic(fixtures::topic("flights", 1, &[1, 2])),
        MetadataCommand::CreateTopic(fixtures::topic("gone", 2, &[1])),
        MetadataCommand::DeleteTopic { topic_id: function_id },
        MetadataCommand::AddPartitions { topic_id, expected_partitions: 2, journals: vec![1] },
        MetadataCommand::AlterTopicConfigs {
            topic_id,
            changes: vec![("segment.ms".into(), Some("5".into())), ("retention.ms".into(), None)],
        },
        MetadataCommand::AllocateProducerIds { count: 1_000 },
        MetadataCommand::PlaceGroup { group_id: "readers".into(), journal: 2 },
        MetadataCommand::DeployFunction(fixtures::function("late-flights", 2, 1)),
        MetadataCommand::SetFunctionStatus { function_id, status: FunctionStatus::Paused },
        MetadataCommand::DeployFunction(fixtures::function("gone", 3, 1)),
        MetadataCommand::DeleteFunction { function_id: Uuid::from_u128(3) },
    ]
}

#[test]
fn entry_version_1_is_still_read_and_written() {
    entry_stays("entry-v1.bin", &every_command());
}

fn machine() -> Machine {
    let mut machine = Machine { term: 4, ..Machine::default() };
    for command in every_command() {
        machine.must(command);
    }
    machine
}

#[test]
fn snapshot_version_1_is_still_read_and_written() {
    snapshot_stays("snapshot-v1.bin", &machine().state);
}

#[test]
fn checkpoint_version_1_is_still_read() {
    let mut machine = machine();
    let path = Path::new("checkpoint.redb");
    let disk = SimDisk::new(1);
    let store = CheckpointStore::open(Arc::new(disk.clone()), path).unwrap();
    let position = LogPosition { term: 4, node_id: 1, index: machine.index };
    store.write(&machine.state.take_changes().unwrap(), position, b"meta").unwrap();
    drop(store);
    // The file is mostly zeros: kept as its pages that are not.
    let stored = golden("checkpoint-v1.pages", &to_pages(&disk.contents(path).unwrap()));
    let disk = SimDisk::new(2);
    disk.plant(path, from_pages(&stored));
    let checkpoint = CheckpointStore::open(Arc::new(disk), path).unwrap().load().unwrap().unwrap();
    assert_eq!((checkpoint.position, checkpoint.raft_meta), (position, b"meta".to_vec()));
    assert!(checkpoint.state.export().unwrap() == machine.state.export().unwrap());
}

const PAGE: usize = 512;

/// u32 LE number of pages, then for each that is not zero: u32 LE number, its bytes.
fn to_pages(file: &[u8]) -> Vec<u8> {
    let pages = file.len().div_ceil(PAGE) as u32;
    let mut out = pages.to_le_bytes().to_vec();
    for (number, page) in file.chunks(PAGE).enumerate() {
        if page.iter().any(|b| *b != 0) {
            out.extend((number as u32).to_le_bytes());
            out.extend(page);
        }
    }
    out
}

fn from_pages(bytes: &[u8]) -> Vec<u8> {
    let number = |at: &[u8]| u32::from_le_bytes(at[..4].try_into().unwrap()) as usize;
    let mut file = vec![0; number(bytes) * PAGE];
    for page in bytes[4..].chunks(PAGE + 4) {
        file[number(page) * PAGE..][..PAGE].copy_from_slice(&page[4..]);
    }
    file
}
