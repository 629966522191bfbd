//! What the server counts, in the broker's registry.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tidemill_broker::Broker;

use crate::memory::Memory;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiLabel {
    api: &'static str,
}

/// Counters of one server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    requests: Family<ApiLabel, Counter>,
    pub(crate) connections: Gauge,
    pub(crate) connections_refused: Counter,
    pub(crate) connections_closed: Counter,
}

impl Metrics {
    /// Registers them with the broker's.
    pub(crate) fn register(broker: &Broker, memory: &Memory) -> Metrics {
        let metrics = Metrics::default();
        let registry = broker.metrics();
        let mut registry = registry.lock();
        let registry = registry.sub_registry_with_prefix("tidemill_kafka");
        registry.register("requests", "Requests, by API", metrics.requests.clone());
        let unread = "Bytes of responses that clients have not taken yet, small ones left out";
        registry.register("response_bytes", unread, memory.responses().clone());
        registry.register("connections", "Open connections", metrics.connections.clone());
        registry.register(
            "connections_refused",
            "Connections refused because there were too many",
            metrics.connections_refused.clone(),
        );
        registry.register(
            "connections_closed_on_error",
            "Connections closed because of what came over them",
            metrics.connections_closed.clone(),
        );
        metrics
    }

    /// Counts a request.
    pub(crate) fn request(&self, api: &'static str) {
        self.requests.get_or_create(&ApiLabel { api }).inc();
    }
}
