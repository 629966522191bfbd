//! The state machine of one journal.
//!
//! [`State::apply`] is deterministic: the same commands at the same positions give the same state
//! and outcomes, whatever machine, clock or map order. A rejected command changes nothing, not even
//! what is dirty. All of the state is a set of rows (`rows.rs`); what a command changes is marked
//! dirty, so that a checkpoint writes only that.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::rows::RowKey;
use crate::{Command, Effect, FunctionInstance, FunctionState, GroupState, Metadata, Outbox, Outcome};
use crate::{CommittedOffset, OutboxStream, PartitionId, PartitionState, TransactionState};

/// Where in the log a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApplyContext {
    /// Index of the entry.
    pub log_index: u64,
    /// Raft term of the entry.
    pub term: u64,
}

/// What became of a command, and what it did.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// For the proposer.
    pub outcome: Outcome,
    /// For the hot store, the archive and whoever waits; empty if rejected.
    pub effects: Vec<Effect>,
}

/// Everything a journal's commands have built up.
#[derive(Debug, Default)]
pub struct State {
    /// Boxed, because a map's nodes are often half empty.
    pub(crate) partitions: BTreeMap<PartitionId, Box<PartitionState>>,
    /// Highest outbox sequence taken, by target and sender.
    pub(crate) received: BTreeMap<(PartitionId, FunctionInstance), u64>,
    pub(crate) groups: BTreeMap<Arc<str>, GroupState>,
    pub(crate) functions: BTreeMap<FunctionInstance, FunctionState>,
    pub(crate) outboxes: BTreeMap<OutboxStream, Outbox>,
    pub(crate) metadata: Metadata,
    pub(crate) transactions: BTreeMap<Arc<str>, TransactionState>,
    /// How long silent producers are remembered, if it was set.
    pub(crate) producer_expiry_ms: Option<i64>,
    pub(crate) dirty: Dirty,
}

/// Rows that differ from the last checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    pub(crate) rows: HashSet<RowKey>,
    /// The checkpoint has nothing to do with this state: write all of it.
    pub(crate) all: bool,
}

impl Dirty {
    pub(crate) fn mark(&mut self, row: RowKey) {
        if !self.all {
            self.rows.insert(row);
        }
    }
}

impl State {
    /// The state before the first entry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies one command.
    pub fn apply(&mut self, ctx: &ApplyContext, command: &Command) -> Applied {
        let mut effects = Vec::new();
        let outcome = self.apply_command(*ctx, command, &mut effects);
        match outcome {
            Ok(outcome) => Applied { outcome, effects },
            Err(rejection) => Applied { outcome: Outcome::Rejected(rejection), effects: Vec::new() },
        }
    }

    fn apply_command(
        &mut self,
        ctx: ApplyContext,
        command: &Command,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, crate::Rejection> {
        match command {
            Command::Append(append) => self.append(ctx, append, effects),
            Command::OpenPartition(open) => self.open_partition(open, effects),
            Command::ClosePartition(id) => self.close_partition(*id, effects),
            Command::Trim(trim) => self.trim(trim, effects),
            Command::CommitArchive(commit) => self.commit_archive(commit, effects),
            Command::CommitOffsets(commit) => self.commit_offsets(commit, None),
            Command::CommitOffsetsUntil { commit, expires_at_ms } => {
                self.commit_offsets(commit, Some(*expires_at_ms))
            }
            Command::PutGroup(put) => self.put_group(put),
            Command::DeleteGroup { group_id } => self.delete_group(group_id),
            Command::DeleteOffsets { group_id, partitions } => self.delete_offsets(group_id, partitions),
            Command::OpenFunction(open) => self.open_function(open),
            Command::CloseFunction(instance) => Ok(self.close_function(*instance)),
            Command::FunctionProgress(progress) => self.function_progress(ctx, progress, effects),
            Command::AcceptOutbox(accept) => self.accept_outbox(ctx, accept, effects),
            Command::OutboxDelivered(delivered) => self.outbox_delivered(delivered),
            Command::Metadata(command) => self.apply_metadata(command, effects),
            Command::ExpireOffsets(expire) => self.expire_offsets(expire),
            Command::AppendTransactional(command) => self.append_transactional(ctx, command, effects),
            Command::WriteMarker(marker) => self.write_marker(ctx, marker, effects),
            Command::CommitTransactionalOffsets(commit) => self.commit_transactional_offsets(commit),
            Command::EndGroupTransaction(end) => self.end_group_transaction(end),
            Command::PutTransaction(put) => self.put_transaction(ctx, put),
            Command::DeleteTransaction(delete) => self.delete_transaction(delete),
            Command::SetProducerExpiry { expiry_ms } => self.set_producer_expiry(*expiry_ms),
        }
    }

    /// A partition that lives on this journal.
    pub fn partition(&self, id: &PartitionId) -> Option<&PartitionState> {
        self.partitions.get(id).map(AsRef::as_ref)
    }

    /// All partitions that live on this journal.
    pub fn partitions(&self) -> &BTreeMap<PartitionId, Box<PartitionState>> {
        &self.partitions
    }

    /// A consumer group.
    pub fn group(&self, group_id: &str) -> Option<&GroupState> {
        self.groups.get(group_id)
    }

    /// All groups of this journal.
    pub fn groups(&self) -> &BTreeMap<Arc<str>, GroupState> {
        &self.groups
    }

    /// The offsets a group committed; none for an unknown group.
    pub fn group_offsets(&self, group_id: &str) -> impl Iterator<Item = (&PartitionId, &CommittedOffset)> {
        self.groups.get(group_id).into_iter().flat_map(GroupState::offsets)
    }

    /// A function's position and state on an input partition.
    pub fn function(&self, instance: &FunctionInstance) -> Option<&FunctionState> {
        self.functions.get(instance)
    }

    /// All function instances of this journal.
    pub fn functions(&self) -> &BTreeMap<FunctionInstance, FunctionState> {
        &self.functions
    }

    /// The undelivered messages of one stream.
    pub fn outbox(&self, stream: &OutboxStream) -> Option<&Outbox> {
        self.outboxes.get(stream)
    }

    /// All streams this journal sends, with or without undelivered messages.
    pub fn outboxes(&self) -> &BTreeMap<OutboxStream, Outbox> {
        &self.outboxes
    }

    /// The streams of one function instance.
    pub fn outboxes_of(&self, instance: &FunctionInstance) -> impl Iterator<Item = (&OutboxStream, &Outbox)> {
        let instance = *instance;
        let target = PartitionId { topic_id: uuid::Uuid::nil(), partition: i32::MIN };
        let from = OutboxStream { instance, target };
        self.outboxes.range(from..).take_while(move |(stream, _)| stream.instance == instance)
    }

    /// Highest sequence number taken from a stream that this journal receives; 0 if none.
    pub fn outbox_taken(&self, stream: &OutboxStream) -> u64 {
        self.received.get(&(stream.target, stream.instance)).copied().unwrap_or(0)
    }

    /// A transactional id.
    pub fn transaction(&self, transactional_id: &str) -> Option<&TransactionState> {
        self.transactions.get(transactional_id)
    }

    /// All transactional ids of this journal.
    pub fn transactions(&self) -> &BTreeMap<Arc<str>, TransactionState> {
        &self.transactions
    }

    /// How long this journal's partitions remember silent producers.
    pub fn producer_expiry_ms(&self) -> i64 {
        self.producer_expiry_ms.unwrap_or(crate::limits::PRODUCER_EXPIRY_MS)
    }

    /// The control plane.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}
