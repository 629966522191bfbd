//! Metrics that clients push (KIP-714). The broker itself is the receiver: the newest values are
//! shown at `/metrics/clients`, bounded in number and age. What is to be pushed is in the
//! `client-metrics` configs, which the metadata journal keeps.

mod configs;

use parking_lot::Mutex;
use tidemill_journal::Journal;
use tidemill_records::{Compression, Error as RecordError, Scratch};
use tidemill_telemetry::otlp::{self, Decoded};
use tidemill_telemetry::{ClientFacts, Clients, Granted, Push, Refusal, Series, Subscription};

use crate::broker::Broker;
use crate::config::BrokerConfig;
use crate::error::{Error, ErrorKind};

/// Compressions that clients may push in, the one they should take first.
const COMPRESSIONS: [Compression; 4] =
    [Compression::Zstd, Compression::Lz4, Compression::Gzip, Compression::Snappy];
/// What a push decompresses to may be so many times `telemetry.max.bytes`.
const MOST_EXPANSION: usize = 8;

/// Who pushes, and what they pushed.
pub(crate) struct ClientMetrics {
    clients: Mutex<Clients>,
    series: Mutex<Series>,
    max_bytes: usize,
    is_on: bool,
}

/// What a client is told to push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryGrant {
    /// Names this set of metrics.
    pub subscription_id: i32,
    /// How often to push.
    pub interval_ms: i32,
    /// Prefixes of the metrics.
    pub metrics: Vec<String>,
    /// Compressions that may be used, by Kafka's ids, the best one first.
    pub compressions: Vec<i8>,
    /// Largest push.
    pub max_bytes: i32,
}

/// One push.
#[derive(Clone, Debug, PartialEq)]
pub struct PushedMetrics {
    /// What the client follows.
    pub subscription_id: i32,
    /// It is the client's last.
    pub terminating: bool,
    /// Kafka's id of the compression.
    pub compression: i8,
    /// OpenTelemetry's `MetricsData`, compressed.
    pub metrics: bytes::Bytes,
}

impl ClientMetrics {
    /// With the subscriptions that the metadata journal has.
    pub(crate) fn load(config: &BrokerConfig, metadata: &Journal) -> Self {
        let limit = usize::try_from(config.client_metrics_max_series).unwrap_or(0);
        let loaded = Self {
            clients: Mutex::default(),
            series: Mutex::new(Series::new(limit)),
            max_bytes: usize::try_from(config.telemetry_max_bytes).unwrap_or(0),
            is_on: limit > 0,
        };
        loaded.reload(metadata);
        loaded
    }

    /// Takes over the subscriptions that the metadata journal has.
    pub(crate) fn reload(&self, metadata: &Journal) {
        // Read under the lock, so that of two reloads the later one wins.
        let mut clients = self.clients.lock();
        let subscriptions = metadata.state(|state| {
            let all = state.metadata().client_metrics().iter();
            let parsed = all.filter_map(|(name, configs)| match Subscription::parse(configs) {
                Ok(subscription) => Some(subscription),
                Err(error) => {
                    // An older broker may have taken what this one does not.
                    tracing::warn!(name = name.as_ref(), %error, "a subscription to metrics of clients is ignored");
                    None
                }
            });
            parsed.collect()
        });
        clients.set_subscriptions(subscriptions);
    }

    /// Clients and values, after those that are too old were forgotten.
    pub(crate) fn counts(&self, now_ms: i64) -> (usize, usize) {
        let clients = {
            let mut clients = self.clients.lock();
            clients.expire(now_ms);
            clients.len()
        };
        let mut series = self.series.lock();
        series.expire(now_ms);
        (clients, series.len())
    }

    /// Checks that the push may come, and how it is compressed. Answers the client's interval.
    fn admit(
        &self,
        client: &ClientFacts,
        push: &PushedMetrics,
        now_ms: i64,
    ) -> Result<(i32, Compression), Error> {
        let facts = Push { subscription_id: push.subscription_id, terminating: push.terminating };
        let mut clients = self.clients.lock();
        let interval_ms = clients.push(client, facts, now_ms).map_err(refused)?;
        let Some(compression) = Compression::from_id(i16::from(push.compression)) else {
            clients.let_ask_again(&client.instance_id);
            let message = format!("compression type {} is not known", push.compression);
            return Err(Error::new(ErrorKind::UnsupportedCompressionType, message));
        };
        if push.metrics.len() > self.max_bytes {
            return Err(too_large());
        }
        Ok((interval_ms, compression))
    }
}

fn refused(refusal: Refusal) -> Error {
    let kind = match refusal {
        Refusal::TooEarly => ErrorKind::ThrottlingQuotaExceeded,
        Refusal::UnknownSubscription => ErrorKind::UnknownSubscriptionId,
        Refusal::Invalid => ErrorKind::InvalidRequest,
    };
    Error::new(kind, refusal.to_string())
}

fn too_large() -> Error {
    Error::new(ErrorKind::TelemetryTooLarge, "the metrics are larger than telemetry.max.bytes allows")
}

/// Decompresses and reads a push.
fn decode(compression: Compression, metrics: &[u8], max_bytes: usize) -> Result<Decoded, Error> {
    let mut scratch = Scratch::default();
    let message = scratch.decompress(compression, metrics, max_bytes).map_err(|error| match error {
        RecordError::DecompressedTooLarge { .. } => too_large(),
        error => Error::new(ErrorKind::InvalidRecord, error.to_string()),
    })?;
    otlp::decode(message).map_err(|error| Error::new(ErrorKind::InvalidRecord, error.to_string()))
}

impl Broker {
    /// Whether metrics of clients are taken.
    #[must_use]
    pub fn takes_client_metrics(&self) -> bool {
        self.client_metrics.is_on
    }

    /// Which metrics the client is to push.
    pub fn telemetry_subscription(&self, client: &ClientFacts) -> Result<TelemetryGrant, Error> {
        let now_ms = self.clock.now_ms();
        let granted = self.client_metrics.clients.lock().subscribe(client, now_ms).map_err(refused)?;
        let Granted { subscription_id, interval_ms, metrics } = granted;
        Ok(TelemetryGrant {
            subscription_id,
            interval_ms,
            metrics,
            compressions: COMPRESSIONS.iter().filter_map(|codec| i8::try_from(codec.id()).ok()).collect(),
            max_bytes: i32::try_from(self.client_metrics.max_bytes).unwrap_or(i32::MAX),
        })
    }

    /// Takes what a client pushes.
    pub async fn push_telemetry(&self, client: ClientFacts, push: PushedMetrics) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        let (interval_ms, compression) = self.client_metrics.admit(&client, &push, now_ms)?;
        self.metrics.telemetry_pushes.inc();
        if push.metrics.is_empty() {
            return Ok(());
        }
        let most_bytes = self.client_metrics.max_bytes.saturating_mul(MOST_EXPANSION);
        let work = move || decode(compression, &push.metrics, most_bytes);
        let decoded = self.cpu.run(work).await??;
        let taken = self.client_metrics.series.lock().take(&client, interval_ms, decoded, now_ms);
        self.metrics.telemetry_dropped.inc_by(u64::try_from(taken.dropped).unwrap_or(0));
        Ok(())
    }

    /// What clients pushed, in Prometheus' text format.
    #[must_use]
    pub fn client_metrics_text(&self) -> String {
        let mut series = self.client_metrics.series.lock();
        series.expire(self.clock.now_ms());
        series.text()
    }
}
