//! One replica: openraft, set up and spoken to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::error::{InitializeError, RaftError};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest};
use openraft::{Config, EmptyNode, Raft, RaftMetrics, SnapshotPolicy};
use parking_lot::Mutex;

use super::log_store::{LogStore, Recent};
use super::network::Network;
use super::state_machine::StateMachine;
use super::types::{Body, Entry, Proposal, Snapshot, SnapshotSource, TypeConfig, voters};
use super::wire::{self, Request, Response, WireEntry};
use crate::Error;
use crate::durable::{Durable, is_alone};
use crate::entry::{EntryData, Payload};
use crate::health::Health;
use crate::machine::Machine;
use crate::options::{Options, Timing};
use crate::proposer::{Log, Waiters};
use crate::standing::Standing;
use crate::transport::Transport;
use crate::writer::Writer;

/// On one node nobody listens to heartbeats; openraft wakes up once in a while all the same.
const LONE_HEARTBEAT: Duration = Duration::from_secs(60);
/// How long a lone replica may take to become leader: two small fsyncs.
const LONE_ELECTION: Duration = Duration::from_secs(30);
/// How long a follower may take for a snapshot.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(120);
/// How long purging may take before the files are left to the next checkpoint.
const PURGE_PATIENCE: Duration = Duration::from_secs(2);

/// What a replica is made of.
pub(crate) struct NodeParts<'a> {
    pub(crate) options: &'a Options,
    pub(crate) machine: Arc<Machine>,
    pub(crate) writer: Writer,
    pub(crate) health: Arc<Health>,
    pub(crate) transport: Option<Arc<dyn Transport>>,
}

/// A running replica. The last clone dropped ends it.
#[derive(Clone)]
pub(crate) struct Node {
    raft: Raft<TypeConfig>,
    node_id: u64,
    health: Arc<Health>,
}

impl Node {
    /// Starts a replica, and initialises a journal that was never started before. Waits for
    /// leadership where nobody else could have it.
    pub(crate) async fn start(parts: NodeParts<'_>) -> Result<Node, Error> {
        let NodeParts { options, machine, writer, health, transport } = parts;
        let alone = options.voters == [options.node_id];
        let config = Arc::new(config(options, alone)?);
        let recent = Arc::new(Mutex::new(Recent::default()));
        let network = Network { journal: options.journal_id, transport };
        let durable = Durable::new(machine.wal.bounds().last.map_or(0, |last| last.index + 1));
        let log = LogStore {
            wal: machine.wal.clone(),
            writer,
            recent: recent.clone(),
            durable: durable.clone(),
            node_id: options.node_id,
            is_alone: is_alone(machine.position().1.record(), options.node_id),
        };
        let state_machine = StateMachine { machine, recent, durable };
        let raft = Raft::new(options.node_id, config, network, log, state_machine).await;
        let raft = raft.map_err(|e| Error::Storage(e.to_string()))?;
        let node = Node { raft, node_id: options.node_id, health };
        node.initialize(&options.voters).await?;
        if alone {
            node.take_the_lead().await?;
        }
        Ok(node)
    }

    async fn initialize(&self, ids: &[u64]) -> Result<(), Error> {
        let started = self.raft.is_initialized().await;
        if started.map_err(|e| Error::Storage(self.reason(e.to_string())))? {
            return Ok(());
        }
        match self.raft.initialize(voters(ids)).await {
            // Another replica was quicker, and its entry is here already.
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(RaftError::APIError(InitializeError::NotInMembers(e))) => Err(Error::Invalid(e.to_string())),
            Err(RaftError::Fatal(e)) => Err(Error::Storage(self.reason(e.to_string()))),
        }
    }

    async fn take_the_lead(&self) -> Result<(), Error> {
        let leads = |metrics: &RaftMetrics<u64, EmptyNode>| metrics.current_leader == Some(self.node_id);
        if !leads(&self.raft.metrics().borrow()) {
            // Without this it would wait for the next tick.
            let asked = self.raft.trigger().elect().await;
            asked.map_err(|e| Error::Storage(self.reason(e.to_string())))?;
        }
        let waiting = self.raft.wait(Some(LONE_ELECTION));
        let led = waiting.metrics(leads, "alone, so leader").await;
        led.map(|_| ()).map_err(|e| Error::Storage(self.reason(e.to_string())))
    }

    fn reason(&self, otherwise: String) -> String {
        self.health.stopped().map_or(otherwise, str::to_owned)
    }

    /// Who leads.
    pub(crate) fn leader(&self) -> Option<u64> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        metrics.running_state.as_ref().ok()?;
        metrics.current_leader
    }

    /// How far it has come.
    pub(crate) fn standing(&self) -> Standing {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        Standing {
            term: metrics.current_term,
            last_index: metrics.last_log_index,
            applied_index: metrics.last_applied.map(|id| id.index),
        }
    }

    /// Lets the log forget entries up to `index`, all of them part of a durable checkpoint.
    pub(crate) async fn purge(&self, index: u64) {
        let stopped = |e: openraft::error::Fatal<u64>| tracing::debug!(error = %e, "not purged");
        if let Err(e) = self.raft.trigger().snapshot().await {
            return stopped(e);
        }
        let built = |m: &RaftMetrics<u64, EmptyNode>| m.snapshot.is_some_and(|id| id.index >= index);
        // Purging without a snapshot has no effect, and a snapshot is only a note here.
        if self.raft.wait(Some(PURGE_PATIENCE)).metrics(built, "snapshot noted").await.is_err() {
            return;
        }
        if let Err(e) = self.raft.trigger().purge_log(index).await {
            return stopped(e);
        }
        let purged = |m: &RaftMetrics<u64, EmptyNode>| m.purged.is_some_and(|id| id.index >= index);
        // Where a follower still reads what is to go, it goes later.
        let _ = self.raft.wait(Some(PURGE_PATIENCE)).metrics(purged, "purged").await;
    }

    /// Ends it; returns when nothing is written any more, except what the writer has queued.
    pub(crate) async fn shutdown(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "raft did not end cleanly");
        }
    }

    /// Answers another replica.
    pub(crate) async fn receive(&self, message: Bytes) -> Result<Bytes, Error> {
        let (request, rest) = wire::decode(message)?;
        let response = match request {
            Request::Append { vote, previous, entries, committed } => {
                let request = AppendEntriesRequest {
                    vote: vote.into(),
                    prev_log_id: previous.map(Into::into),
                    entries: decode_entries(entries, rest)?,
                    leader_commit: committed.map(Into::into),
                };
                self.answer_append(request).await
            }
            Request::Vote { vote, last } => {
                self.answer_vote(VoteRequest::new(vote.into(), last.map(Into::into))).await
            }
            Request::Snapshot { vote, last, membership } => {
                let meta = wire::snapshot_meta(last, &membership);
                let snapshot = Snapshot { meta, snapshot: Box::new(SnapshotSource::Received(rest)) };
                match self.raft.install_full_snapshot(vote.into(), snapshot).await {
                    Ok(answer) => Response::Installed(answer.vote.into()),
                    Err(e) => Response::Failed(e.to_string()),
                }
            }
        };
        wire::encode(&response, &[])
    }

    async fn answer_append(&self, request: AppendEntriesRequest<TypeConfig>) -> Response {
        match self.raft.append_entries(request).await {
            Ok(AppendEntriesResponse::Success) => Response::Appended,
            Ok(AppendEntriesResponse::PartialSuccess(upto)) => Response::PartlyAppended(upto.map(Into::into)),
            Ok(AppendEntriesResponse::Conflict) => Response::Conflict,
            Ok(AppendEntriesResponse::HigherVote(vote)) => Response::HigherVote(vote.into()),
            Err(e) => Response::Failed(e.to_string()),
        }
    }

    async fn answer_vote(&self, request: VoteRequest<u64>) -> Response {
        match self.raft.vote(request).await {
            Ok(answer) => Response::Voted {
                vote: answer.vote.into(),
                granted: answer.vote_granted,
                last: answer.last_log_id.map(Into::into),
            },
            Err(e) => Response::Failed(e.to_string()),
        }
    }
}

impl Log for Node {
    async fn propose(&self, data: Arc<EntryData>, waiters: Arc<Waiters>) {
        // Where this fails the proposal was dropped, and its waiters know.
        if let Err(error) = self.raft.client_write_ff(Proposal { data, waiters }).await {
            self.health.stop(error.to_string());
        }
    }
}

fn config(options: &Options, alone: bool) -> Result<Config, Error> {
    let timing = if alone {
        Timing {
            heartbeat: LONE_HEARTBEAT,
            election_min: LONE_HEARTBEAT * 2,
            election_max: LONE_HEARTBEAT * 3,
        }
    } else {
        options.timing
    };
    let config = Config {
        cluster_name: format!("journal {}", options.journal_id),
        heartbeat_interval: millis(timing.heartbeat),
        election_timeout_min: millis(timing.election_min),
        election_timeout_max: millis(timing.election_max),
        install_snapshot_timeout: millis(SNAPSHOT_TIMEOUT),
        // Snapshots are taken by the checkpointer, and purging follows what it says.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        max_payload_entries: 64,
        ..Config::default()
    };
    config.validate().map_err(|e| Error::Invalid(e.to_string()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Entries of an append, out of their descriptions and the payloads that follow.
fn decode_entries(heads: Vec<WireEntry>, mut payloads: Bytes) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::with_capacity(heads.len());
    for head in heads {
        let len = head.payload_bytes as usize;
        if len > payloads.len() {
            return Err(Error::Invalid("append shorter than its entries".into()));
        }
        let body = match Payload::decode(payloads.split_to(len))? {
            Payload::Blank => Body::Blank,
            Payload::Membership(record) => {
                let ids: BTreeSet<u64> = record.voters.iter().flatten().copied().collect();
                if ids.is_empty() {
                    return Err(Error::Invalid("membership without voters".into()));
                }
                Body::Membership((&record).into())
            }
            Payload::Commands(data) => Body::Commands(Arc::new(data)),
        };
        entries.push(Entry { log_id: head.log_id.into(), body });
    }
    if !payloads.is_empty() {
        return Err(Error::Invalid("append longer than its entries".into()));
    }
    Ok(entries)
}
