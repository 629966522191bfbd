//! How replicas of a journal talk to each other: bytes in, bytes out.
//!
//! What is inside a message is this crate's own business (`raft/wire.rs`). A transport may lose,
//! delay, repeat and reorder messages; it must not deliver a damaged one.

use std::future::Future;
use std::io;
use std::pin::Pin;

use bytes::Bytes;

/// The answer to a request, on its way.
pub type Reply = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

/// Carries requests to the other replicas.
pub trait Transport: Send + Sync + 'static {
    /// Hands `request` to [`Journal::receive`](crate::Journal::receive) of `journal` on `node` and
    /// brings back its answer. The caller drops the future when it loses patience.
    fn call(&self, journal: u32, node: u64, request: Bytes) -> Reply;
}
