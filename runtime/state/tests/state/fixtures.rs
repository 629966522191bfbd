//! What the tests share: batches, ids, a state with its place in the log, and a random workload.

use bytes::Bytes;
use tidemill_records::{BatchBuilder, BatchFacts, Compression};
use tidemill_state::*;
use uuid::Uuid;

mod workload;
pub use workload::Workload;

pub fn partition(number: i32) -> PartitionId {
    PartitionId { topic_id: Uuid::from_u128(7), partition: number }
}

/// A batch of a producer that is not idempotent.
pub fn batch(records: i32) -> Bytes {
    producer_batch(-1, -1, -1, records)
}

pub fn producer_batch(producer_id: i64, producer_epoch: i16, base_sequence: i32, records: i32) -> Bytes {
    let facts = BatchFacts {
        base_timestamp: 1_000,
        producer_id,
        producer_epoch,
        base_sequence,
        ..BatchFacts::default()
    };
    let mut builder = BatchBuilder::new(facts);
    for i in 0..records {
        builder.push(i, i64::from(i), Some(b"key"), Some(&i.to_be_bytes()), &[]);
    }
    builder.build(Compression::None).unwrap().into_bytes()
}

pub fn append(number: i32, batches: Vec<Bytes>, now_ms: i64) -> Append {
    Append { partition: partition(number), batches, now_ms }
}

pub fn open(number: i32) -> Command {
    Command::OpenPartition(OpenPartition {
        partition: partition(number),
        topic: "flights".into(),
        leader_epoch_base: 0,
    })
}

pub fn instance(function: u128, input: i32) -> FunctionInstance {
    FunctionInstance { function_id: Uuid::from_u128(function), input: partition(input) }
}

pub fn object(base_offset: i64, last_offset: i64) -> ArchivedObject {
    ArchivedObject {
        path: format!("topics/flights/data/{base_offset}-{last_offset}.parquet"),
        base_offset,
        last_offset,
        length_bytes: 4096,
        crc32c: 0xdead_beef,
        footer_bytes: 512,
        row_count: (last_offset - base_offset + 1) as u64,
        raw_bytes: 8192,
        min_timestamp_ms: 1_000,
        max_timestamp_ms: 2_000,
        leader_epochs: vec![(1, base_offset)],
        sealed_at_ms: 3_000,
    }
}

pub fn archive(number: i32, expected: i64, last: i64) -> Command {
    Command::CommitArchive(CommitArchive {
        partition: partition(number),
        expected_archived_end: expected,
        object: object(expected, last),
    })
}

pub fn trim(number: i32, log_start_offset: i64) -> Command {
    Command::Trim(Trim { partition: partition(number), log_start_offset })
}

pub fn progress(instance: FunctionInstance, from: i64, to: i64) -> FunctionProgress {
    FunctionProgress {
        instance,
        expected_position: from,
        position: to,
        outputs: vec![],
        outbox: vec![],
        state_changes: vec![],
        now_ms: 0,
    }
}

pub fn topic(name: &str, id: u128, journals: &[u32]) -> TopicMetadata {
    TopicMetadata {
        name: name.into(),
        topic_id: Uuid::from_u128(id),
        journals: journals.to_vec(),
        configs: [("retention.ms".to_owned(), "1000".to_owned())].into(),
        created_at_ms: 42,
    }
}

pub fn function(name: &str, id: u128, version: u32) -> FunctionMetadata {
    FunctionMetadata {
        name: name.into(),
        function_id: Uuid::from_u128(id),
        version,
        module_sha256: "ab".repeat(32),
        kind: FunctionKind::Transform,
        inputs: vec!["flights".into()],
        outputs: vec!["flights.late".into()],
        config: [("minutes".to_owned(), "60".to_owned())].into(),
        allow_http: vec!["localhost:9000".into()],
        on_error: ErrorPolicy::DeadLetter,
        limits: FunctionLimits { memory_bytes: 1 << 26, deadline_ms: 1_000, output_bytes: 1 << 24 },
        start: StartPosition::Earliest,
        status: FunctionStatus::Running,
        deployed_at_ms: 42,
    }
}

/// A state and its place in the log.
#[derive(Debug, Default)]
pub struct Machine {
    pub state: State,
    pub index: u64,
    pub term: u64,
}

impl Machine {
    /// Partitions `0..partitions` are open.
    pub fn with_partitions(partitions: i32) -> Self {
        let mut machine = Self { term: 1, ..Self::default() };
        for number in 0..partitions {
            assert_eq!(machine.apply(open(number)), Outcome::Done);
        }
        machine
    }

    pub fn applied(&mut self, command: &Command) -> Applied {
        self.index += 1;
        self.state.apply(&ApplyContext { log_index: self.index, term: self.term }, command)
    }

    pub fn apply(&mut self, command: Command) -> Outcome {
        self.applied(&command).outcome
    }

    pub fn append(&mut self, number: i32, batches: Vec<Bytes>, now_ms: i64) -> Outcome {
        self.apply(Command::Append(append(number, batches, now_ms)))
    }

    /// Applies what must not be rejected.
    pub fn must(&mut self, command: Command) -> Applied {
        let applied = self.applied(&command);
        assert!(!matches!(applied.outcome, Outcome::Rejected(_)), "{command:?} gave {:?}", applied.outcome);
        applied
    }

    /// Applies what must be rejected, and checks that it changed nothing.
    pub fn reject(&mut self, command: Command) -> Rejection {
        let (before, dirty) = (self.state.export().unwrap(), self.state.changed_rows());
        let applied = self.applied(&command);
        let Outcome::Rejected(rejection) = applied.outcome else {
            panic!("{command:?} gave {:?}", applied.outcome);
        };
        assert!(applied.effects.is_empty());
        assert!(before == self.state.export().unwrap(), "rejected but changed: {command:?}");
        assert_eq!(dirty, self.state.changed_rows());
        rejection
    }

    pub fn partition(&self, number: i32) -> &PartitionState {
        self.state.partition(&partition(number)).unwrap()
    }
}

pub fn appended(base_offset: i64, next_offset: i64) -> Appended {
    Appended { base_offset, next_offset, log_start_offset: 0, duplicate: false }
}
