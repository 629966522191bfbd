//! The listening socket and its connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tidemill_broker::Broker;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::places::{Limits, Place, Places};
use crate::service::Service;
use crate::throttle::Throttles;

/// How long connections may take to finish what they have begun when the server stops.
const GRACE: Duration = Duration::from_secs(3);
/// Pause after an accept that failed (no file descriptors left, most likely).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The socket.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// Where to.
        addr: String,
        /// What the system says.
        source: io::Error,
    },
    /// The advertised address.
    #[error("the advertised address {0:?} is not of the form host:port")]
    Advertised(String),
}

/// A Kafka server on one address. It serves from the moment it is bound.
#[derive(Debug)]
pub struct KafkaServer {
    addr: SocketAddr,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

impl KafkaServer {
    /// Binds and serves.
    pub async fn bind(addr: &str, broker: Arc<Broker>, options: Options) -> Result<KafkaServer, BindError> {
        let failed = |source| BindError::Listen { addr: addr.to_owned(), source };
        let listener = TcpListener::bind(addr).await.map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        let (host, port) = advertised(&options.advertised_addr, local)?;
        let memory = Memory::new(options.request_memory_bytes, options.response_memory_bytes);
        let metrics = Metrics::register(&broker, &memory);
        let throttles = Throttles::new(&broker.config());
        let service = Arc::new(Service { broker, options, memory, throttles, metrics, host, port });
        let server =
            KafkaServer { addr: local, stopping: CancellationToken::new(), tasks: TaskTracker::new() };
        let accepting = accept(listener, service, server.stopping.clone(), server.tasks.clone());
        server.tasks.spawn(accepting);
        Ok(server)
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops accepting, lets connections finish the request they are at, and closes them.
    pub async fn shutdown(&self) {
        self.stopping.cancel();
        self.tasks.close();
        if tokio::time::timeout(GRACE * 2, self.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
    }
}

impl Drop for KafkaServer {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// Host and port for clients.
fn advertised(given: &str, local: SocketAddr) -> Result<(String, i32), BindError> {
    if given.is_empty() {
        let host = if local.ip().is_unspecified() {
            tracing::warn!("clients are told to connect to localhost; set the advertised address");
            "localhost".to_owned()
        } else {
            local.ip().to_string()
        };
        return Ok((host, i32::from(local.port())));
    }
    let invalid = || BindError::Advertised(given.to_owned());
    let (host, port) = given.rsplit_once(':').ok_or_else(invalid)?;
    let port: u16 = port.parse().map_err(|_| invalid())?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(invalid());
    }
    // Port 0 stands for the one that the system chose.
    Ok((host.to_owned(), i32::from(if port == 0 { local.port() } else { port })))
}

async fn accept(
    listener: TcpListener,
    service: Arc<Service>,
    stopping: CancellationToken,
    tasks: TaskTracker,
) {
    let places = Arc::new(Places::default());
    let mut limits = Limits::of(&service.options).await;
    let mut changes = service.broker.config_changes();
    loop {
        let accepted = tokio::select! {
            // A setting that was acknowledged holds for the next connection.
            biased;
            () = stopping.cancelled() => return,
            Ok(()) = changes.changed() => {
                let options = Options::from_config(&changes.borrow_and_update());
                limits = Limits::of(&options).await;
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match places.take(peer.ip(), &limits) {
                Some(place) => {
                    let gone = stopping.child_token();
                    let quotas = service.broker.client_quotas();
                    let wait = service.throttles.connection(&quotas, peer.ip());
                    if wait.is_zero() {
                        tasks.spawn(serve(stream, peer, service.clone(), gone, place));
                    } else {
                        tasks.spawn(turn_away(stream, wait, gone, place));
                    }
                }
                None => {
                    service.metrics.connections_refused.inc();
                    tracing::warn!(%peer, "too many connections: one more is refused");
                }
            },
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// An address that connects too often: its connection is closed when it may try again, as in Kafka.
async fn turn_away(stream: TcpStream, wait: Duration, gone: CancellationToken, _place: Place) {
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        () = gone.cancelled() => {}
    }
    drop(stream);
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    service: Arc<Service>,
    gone: CancellationToken,
    _place: Place,
) {
    service.metrics.connections.inc();
    let too_late = async {
        gone.cancelled().await;
        // Also after the client went away: nothing that is left to do takes longer.
        tokio::time::sleep(service.options.stall_timeout.min(GRACE)).await;
    };
    tokio::select! {
        () = connection::run(stream, peer, &service, &gone) => {}
        () = too_late => {}
    }
    service.metrics.connections.dec();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advertised_addresses() {
        let local: SocketAddr = "127.0.0.1:19092".parse().unwrap();
        assert_eq!(advertised("", local).unwrap(), ("127.0.0.1".into(), 19092));
        assert_eq!(advertised("kafka.example:9092", local).unwrap(), ("kafka.example".into(), 9092));
        assert_eq!(advertised("[::1]:0", local).unwrap(), ("::1".into(), 19092));
        for bad in ["kafka.example", ":9092", "a:b", "a:99999"] {
            assert!(advertised(bad, local).is_err(), "{bad}");
        }
    }
}
