//! Limits of the server.

use std::time::Duration;

use tidemill_broker::BrokerConfig;

/// Settings of a [`KafkaServer`](crate::KafkaServer).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What clients are told to connect to, `host:port`. If empty, the address that is bound.
    pub advertised_addr: String,
    /// `socket.request.max.bytes`: a larger frame is refused before it is read.
    pub request_max_bytes: usize,
    /// `max.connections`: beyond this many, new ones are closed at once.
    pub max_connections: usize,
    /// `max.connections.per.ip`.
    pub max_connections_per_ip: usize,
    /// `max.connections.per.ip.overrides`: hosts or addresses with another bound.
    pub max_connections_per_ip_overrides: Vec<(String, usize)>,
    /// `connections.max.idle.ms`: a connection that says nothing for this long is closed.
    pub idle_timeout: Duration,
    /// A request that has begun, or a response, must make progress within this time.
    pub stall_timeout: Duration,
    /// Bytes of all requests in memory together; one more frame may be read beyond it.
    pub request_memory_bytes: usize,
    /// Bytes of all fetch responses in memory together, above which fetches get smaller.
    pub response_memory_bytes: usize,
    /// Responses that a connection may be behind before its requests wait.
    pub max_in_flight: usize,
    /// The longest a fetch may wait, whatever it asks for.
    pub max_fetch_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            advertised_addr: String::new(),
            request_max_bytes: 100 << 20,
            max_connections: 10_000,
            max_connections_per_ip: usize::MAX,
            max_connections_per_ip_overrides: Vec::new(),
            idle_timeout: Duration::from_secs(600),
            stall_timeout: Duration::from_secs(60),
            request_memory_bytes: 512 << 20,
            response_memory_bytes: 512 << 20,
            max_in_flight: 64,
            max_fetch_wait: Duration::from_secs(300),
        }
    }
}

impl Options {
    /// The limits that the broker's config sets, and defaults for the others.
    pub fn from_config(config: &BrokerConfig) -> Options {
        let size = |value: i32| usize::try_from(value).unwrap_or(0);
        let overrides = &config.max_connections_per_ip_overrides.0;
        let overrides = overrides.iter().map(|(host, count)| (host.clone(), size(*count)));
        Options {
            advertised_addr: config.advertised_kafka_addr.clone().unwrap_or_default(),
            request_max_bytes: size(config.socket_request_max_bytes),
            max_connections: size(config.max_connections),
            max_connections_per_ip: size(config.max_connections_per_ip),
            max_connections_per_ip_overrides: overrides.collect(),
            request_memory_bytes: usize::try_from(config.queued_max_request_bytes)
                .unwrap_or(Options::default().request_memory_bytes),
            idle_timeout: Duration::from_millis(u64::try_from(config.connections_max_idle_ms).unwrap_or(0)),
            ..Options::default()
        }
    }
}
