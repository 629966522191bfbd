//! What all connections share, and what a handler knows of its request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tidemill_broker::Broker;
use tidemill_groups::Coordinator;
use tokio_util::sync::CancellationToken;

use crate::decode::RequestHead;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::throttle::{Bandwidth, Stopwatch, Throttles};

/// The server, but for its sockets.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) broker: Arc<Broker>,
    pub(crate) options: Options,
    pub(crate) memory: Memory,
    pub(crate) throttles: Throttles,
    pub(crate) metrics: Metrics,
    /// Where clients are told to connect to.
    pub(crate) host: String,
    pub(crate) port: i32,
}

/// What a client said of its software in ApiVersions.
#[derive(Debug, Default)]
pub(crate) struct ClientSoftware(Mutex<(String, String)>);

impl ClientSoftware {
    /// A connection keeps no more than so much of each.
    const MAX_CHARS: usize = 128;

    pub(crate) fn set(&self, name: &str, version: &str) {
        let short = |text: &str| text.chars().take(Self::MAX_CHARS).collect();
        *self.0.lock() = (short(name), short(version));
    }

    /// Name and version; empty if nothing was said.
    pub(crate) fn get(&self) -> (String, String) {
        self.0.lock().clone()
    }
}

/// A request that is being served.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) service: &'a Service,
    pub(crate) head: &'a RequestHead,
    /// Size of the whole request.
    pub(crate) frame_bytes: usize,
    pub(crate) peer: SocketAddr,
    pub(crate) software: &'a ClientSoftware,
    /// Cancelled when nobody is there any more to read an answer.
    pub(crate) gone: &'a CancellationToken,
    /// How long serving it takes.
    pub(crate) stopwatch: Stopwatch,
    /// For how long the connection is not read from afterwards, in milliseconds.
    pub(crate) mute_ms: AtomicU32,
}

impl Call<'_> {
    pub(crate) fn broker(&self) -> &Broker {
        &self.service.broker
    }

    pub(crate) fn groups(&self) -> &Coordinator {
        self.service.broker.groups()
    }

    /// Counts the request, and bytes if some quota is for them, against the client's quotas. Answers
    /// how long the client is throttled, in milliseconds.
    pub(crate) fn throttle(&self, bytes: Option<(Bandwidth, usize)>) -> i32 {
        let quotas = self.broker().client_quotas();
        if quotas.is_empty() {
            return 0;
        }
        let busy = self.service.throttles.busy(&quotas, &self.head.client_id, self.stopwatch.busy());
        let quiet_ms = self.mute(busy);
        bytes.map_or(quiet_ms, |(kind, bytes)| quiet_ms.max(self.throttle_bytes(kind, bytes)))
    }

    /// As [`Call::throttle`], for bytes alone.
    pub(crate) fn throttle_bytes(&self, kind: Bandwidth, bytes: usize) -> i32 {
        let quotas = self.broker().client_quotas();
        self.mute(self.service.throttles.bytes(&quotas, &self.head.client_id, kind, bytes))
    }

    fn mute(&self, quiet: Duration) -> i32 {
        let quiet_ms = i32::try_from(quiet.as_millis()).unwrap_or(i32::MAX);
        self.mute_ms.fetch_max(quiet_ms.unsigned_abs(), Ordering::Relaxed);
        quiet_ms
    }

    /// The most bytes that the client's quota lets a fetch have.
    pub(crate) fn fetch_burst(&self) -> usize {
        let quotas = self.broker().client_quotas();
        self.service.throttles.burst(&quotas, &self.head.client_id, Bandwidth::Fetch)
    }

    pub(crate) fn version(&self) -> i16 {
        self.head.version
    }

    /// This broker's id.
    pub(crate) fn node_id(&self) -> i32 {
        self.broker().config().node_id
    }
}
