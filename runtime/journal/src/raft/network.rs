//! Openraft's network, over a [`Transport`] that carries bytes.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::EmptyNode;
use openraft::error::{
    Fatal, NetworkError, RPCError, RaftError, ReplicationClosed, StreamingError, Unreachable,
};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};

use super::log_store::parts;
use super::types::{Entry, Snapshot, SnapshotSource, TypeConfig, Vote};
use super::wire::{self, Request, Response, WireEntry, WireMembership};
use crate::transport::Transport;

/// How long to leave a node alone that cannot be reached.
const BACKOFF: Duration = Duration::from_millis(100);

/// Makes the clients.
pub(crate) struct Network {
    pub(crate) journal: u32,
    pub(crate) transport: Option<Arc<dyn Transport>>,
}

/// A client for one other replica.
pub(crate) struct Peer {
    journal: u32,
    node: u64,
    transport: Option<Arc<dyn Transport>>,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _: &EmptyNode) -> Peer {
        Peer { journal: self.journal, node: target, transport: self.transport.clone() }
    }
}

type RpcError = RPCError<u64, EmptyNode, RaftError<u64>>;

impl Peer {
    async fn call(&self, request: &Request, payloads: &[Bytes]) -> io::Result<Response> {
        let Some(transport) = &self.transport else {
            return Err(io::Error::other("this journal was opened without a transport"));
        };
        let message = wire::encode(request, payloads).map_err(io::Error::other)?;
        let answer = transport.call(self.journal, self.node, message).await?;
        match wire::decode(answer).map_err(io::Error::other)? {
            (Response::Failed(reason), _) => Err(io::Error::other(reason)),
            (response, _) => Ok(response),
        }
    }
}

fn unreachable(error: &io::Error) -> RpcError {
    RPCError::Unreachable(Unreachable::new(error))
}

fn unexpected(response: &Response) -> io::Error {
    io::Error::other(format!("answer does not fit the question: {response:?}"))
}

/// Entries as they travel: descriptions, and the payloads one after another.
fn encode_entries(entries: &[Entry]) -> io::Result<(Vec<WireEntry>, Vec<Bytes>)> {
    let mut heads = Vec::with_capacity(entries.len());
    let mut payloads = Vec::new();
    for entry in entries {
        let parts = parts(&entry.body).map_err(io::Error::other)?;
        let bytes: usize = parts.iter().map(Bytes::len).sum();
        let payload_bytes = u32::try_from(bytes).map_err(io::Error::other)?;
        heads.push(WireEntry { log_id: entry.log_id.into(), payload_bytes });
        payloads.extend(parts);
    }
    Ok((heads, payloads))
}

impl RaftNetwork<TypeConfig> for Peer {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, RpcError> {
        let (entries, payloads) =
            encode_entries(&rpc.entries).map_err(|e| RPCError::Network(NetworkError::new(&e)))?;
        let request = Request::Append {
            vote: rpc.vote.into(),
            previous: rpc.prev_log_id.map(Into::into),
            entries,
            committed: rpc.leader_commit.map(Into::into),
        };
        match self.call(&request, &payloads).await.map_err(|e| unreachable(&e))? {
            Response::Appended => Ok(AppendEntriesResponse::Success),
            Response::PartlyAppended(upto) => Ok(AppendEntriesResponse::PartialSuccess(upto.map(Into::into))),
            Response::Conflict => Ok(AppendEntriesResponse::Conflict),
            Response::HigherVote(vote) => Ok(AppendEntriesResponse::HigherVote(vote.into())),
            other => Err(unreachable(&unexpected(&other))),
        }
    }

    async fn vote(&mut self, rpc: VoteRequest<u64>, _: RPCOption) -> Result<VoteResponse<u64>, RpcError> {
        let request = Request::Vote { vote: rpc.vote.into(), last: rpc.last_log_id.map(Into::into) };
        match self.call(&request, &[]).await.map_err(|e| unreachable(&e))? {
            Response::Voted { vote, granted, last } => Ok(VoteResponse {
                vote: vote.into(),
                vote_granted: granted,
                last_log_id: last.map(Into::into),
            }),
            other => Err(unreachable(&unexpected(&other))),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<u64>, StreamingError<TypeConfig, Fatal<u64>>> {
        let failed = |e: io::Error| StreamingError::Unreachable(Unreachable::new(&e));
        let (last, membership, content) = match *snapshot.snapshot {
            SnapshotSource::Own(machine) => {
                let export = tokio::task::spawn_blocking(move || machine.export());
                let export = export.await.map_err(io::Error::other).map_err(failed)?;
                let export = export.map_err(io::Error::other).map_err(failed)?;
                (
                    export.applied.map(super::types::raft_log_id).map(Into::into),
                    export.membership,
                    export.state,
                )
            }
            SnapshotSource::Received(content) => {
                let membership = WireMembership::from(&snapshot.meta.last_membership);
                (snapshot.meta.last_log_id.map(Into::into), membership, content)
            }
        };
        let request = Request::Snapshot { vote: vote.into(), last, membership };
        let payload = [content];
        let answer = tokio::select! {
            closed = cancel => return Err(closed.into()),
            answer = self.call(&request, &payload) => answer.map_err(failed)?,
        };
        match answer {
            Response::Installed(vote) => Ok(SnapshotResponse::new(vote.into())),
            other => Err(failed(unexpected(&other))),
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(BACKOFF))
    }
}
