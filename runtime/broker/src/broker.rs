//! The broker: what everything else hangs on.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use prometheus_client::registry::Registry as MetricsRegistry;
use tidemill_disk::{Clock, Disk};
use tidemill_groups::Coordinator;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::archive::{Bucket, Housekeeping};
use crate::client_metrics::ClientMetrics;
use crate::client_quotas::ClientQuotas;
use crate::config::BrokerConfig;
use crate::fetch::{ReadAhead, Reader, Sessions, Waiters};
use crate::functions::Functions;
use crate::journals::Journals;
use crate::listener::PartitionListener;
use crate::metrics::Metrics;
use crate::produce::{CpuPool, Stamps};
use crate::producer_ids::ProducerIds;
use crate::topics::Registry;
use crate::transactions::Transactions;

/// A running broker. Requests come in from any number of tasks.
pub struct Broker {
    /// As it was started.
    pub(crate) config: Arc<BrokerConfig>,
    /// As it is now.
    pub(crate) live: watch::Sender<Arc<BrokerConfig>>,
    pub(crate) quotas: watch::Sender<Arc<ClientQuotas>>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cluster_id: Uuid,
    pub(crate) journals: Arc<Journals>,
    pub(crate) registry: Registry,
    pub(crate) groups: Coordinator,
    pub(crate) bucket: Arc<Bucket>,
    pub(crate) housekeeping: Arc<Housekeeping>,
    pub(crate) fetch_waiters: Arc<Waiters>,
    pub(crate) fetch_sessions: Sessions,
    pub(crate) reader: Reader,
    pub(crate) read_ahead: ReadAhead,
    pub(crate) listeners: Arc<RwLock<Vec<Arc<dyn PartitionListener>>>>,
    pub(crate) functions: Functions,
    pub(crate) client_metrics: Arc<ClientMetrics>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) producer_ids: Arc<ProducerIds>,
    pub(crate) transactions: Arc<Transactions>,
    pub(crate) stamps: Stamps,
    pub(crate) cpu: CpuPool,
    pub(crate) stopping: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// Whether the broker can do its work, and if not, why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// What keeps it from serving; empty if nothing does.
    pub blocking: Vec<String>,
    /// What it can work around for now: archiving that fails and is being tried again.
    pub warnings: Vec<String>,
}

impl Readiness {
    /// Whether requests can be served.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.blocking.is_empty()
    }
}

impl Broker {
    /// The cluster's id.
    #[must_use]
    pub fn cluster_id(&self) -> Uuid {
        self.cluster_id
    }

    /// The consumer group coordinator.
    #[must_use]
    pub fn groups(&self) -> &Coordinator {
        &self.groups
    }

    /// Where metrics are registered and scraped from.
    #[must_use]
    pub fn metrics(&self) -> Arc<Mutex<MetricsRegistry>> {
        self.refresh_gauges();
        Arc::clone(&self.metrics.registry)
    }

    /// Gauges that are looked up when somebody asks.
    fn refresh_gauges(&self) {
        let (topics, partitions) = self.registry.counts();
        self.metrics.topic_count.set(i64::try_from(topics).unwrap_or(i64::MAX));
        self.metrics.partition_count.set(i64::try_from(partitions).unwrap_or(i64::MAX));
        self.metrics.set_client_metrics(self.client_metrics.counts(self.clock.now_ms()));
        self.metrics.set_fetch_sessions(self.fetch_sessions.counts());
        for (id, journal) in self.journals.all() {
            self.metrics.set_wal_bytes(id, journal.usage().total_bytes);
        }
    }

    /// Told of every partition that advances from now on. Function runners hang on this.
    pub fn add_listener(&self, listener: Arc<dyn PartitionListener>) {
        self.listeners.write().push(listener);
    }

    /// Cancelled when the broker begins to stop.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Whether it can serve, and what is the matter if anything is.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let mut readiness = Readiness::default();
        for (id, journal) in self.journals.all() {
            if let Some(reason) = journal.stopped() {
                readiness.blocking.push(format!("journal {id} has stopped: {reason}"));
            } else if let Some(reason) = journal.stalled() {
                readiness.warnings.push(format!("journal {id} takes no writes: {reason}"));
            } else if !journal.is_leader() {
                readiness.blocking.push(format!("journal {id} has no leader here"));
            }
        }
        readiness.warnings.extend(self.housekeeping.trouble().map(|why| format!("archiving fails: {why}")));
        readiness
    }

    /// Stops: waiting fetches are answered, sealing is broken off, journals write a last checkpoint.
    pub async fn shutdown(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        for (_, journal) in self.journals.all() {
            journal.shutdown().await;
        }
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("cluster_id", &self.cluster_id).finish_non_exhaustive()
    }
}
