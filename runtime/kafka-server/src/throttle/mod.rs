//! Quotas, enforced as Kafka does: a client that is over one is answered at once and told for how
//! long it is throttled, and its connection is not read from for that time. Nothing is measured
//! while there are no quotas.

mod rate;
mod response;
mod stopwatch;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tidemill_broker::{
    BrokerConfig, CONNECTION_CREATION_RATE, CONSUMER_BYTE_RATE, ClientQuotas, PRODUCER_BYTE_RATE,
    QuotaEntity, REQUEST_PERCENTAGE,
};

pub(crate) use rate::{Rate, Window};
pub(crate) use response::Throttled;
pub(crate) use stopwatch::Stopwatch;

/// Who clients are while there is no authentication.
const USER: &str = "ANONYMOUS";
/// Clients whose rates are measured apart; beyond it they share one.
const MAX_RATES: usize = 20_000;
/// Nanoseconds to percent of a second.
const PERCENT_PER_NS: f64 = 1e-7;

/// Bytes that a quota may limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Bandwidth {
    Produce,
    Fetch,
}

impl Bandwidth {
    fn quota(self) -> &'static str {
        match self {
            Bandwidth::Produce => PRODUCER_BYTE_RATE,
            Bandwidth::Fetch => CONSUMER_BYTE_RATE,
        }
    }
}

/// The rates of all clients that have a quota.
#[derive(Debug)]
pub(crate) struct Throttles {
    window: Window,
    began: Instant,
    rates: Mutex<HashMap<(&'static str, QuotaEntity), Rate>>,
}

impl Throttles {
    pub(crate) fn new(config: &BrokerConfig) -> Self {
        let window = Window {
            samples: u64::try_from(config.quota_window_num).unwrap_or(1),
            sample_ms: u64::try_from(config.quota_window_size_seconds).unwrap_or(1) * 1000,
        };
        Self { window, began: Instant::now(), rates: Mutex::default() }
    }

    /// Bytes of a client: how long it is to be quiet.
    pub(crate) fn bytes(
        &self,
        quotas: &ClientQuotas,
        client_id: &str,
        kind: Bandwidth,
        bytes: usize,
    ) -> Duration {
        self.record(quotas.of_client(USER, client_id, kind.quota()), kind.quota(), bytes as f64)
    }

    /// The most bytes that a client may get at once.
    pub(crate) fn burst(&self, quotas: &ClientQuotas, client_id: &str, kind: Bandwidth) -> usize {
        let Some((_, limit)) = quotas.of_client(USER, client_id, kind.quota()) else {
            return usize::MAX;
        };
        let samples = self.window.samples.saturating_sub(1).max(1);
        (limit * (samples * self.window.sample_ms) as f64 / 1000.0) as usize
    }

    /// Time spent on a client's request: how long it is to be quiet, no longer than one sample.
    pub(crate) fn busy(&self, quotas: &ClientQuotas, client_id: &str, busy: Duration) -> Duration {
        let percent = busy.as_nanos() as f64 * PERCENT_PER_NS;
        let quota = quotas.of_client(USER, client_id, REQUEST_PERCENTAGE);
        self.record(quota, REQUEST_PERCENTAGE, percent).min(Duration::from_millis(self.window.sample_ms))
    }

    /// A new connection: how long its address has to wait before it may try again.
    pub(crate) fn connection(&self, quotas: &ClientQuotas, ip: IpAddr) -> Duration {
        let quota = quotas.of_address(ip, CONNECTION_CREATION_RATE);
        self.record(quota, CONNECTION_CREATION_RATE, 1.0)
    }

    fn record(&self, quota: Option<(QuotaEntity, f64)>, name: &'static str, amount: f64) -> Duration {
        let Some((entity, limit)) = quota else {
            return Duration::ZERO;
        };
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut rates = self.rates.lock();
        if rates.len() >= MAX_RATES && !rates.contains_key(&(name, entity.clone())) {
            rates.retain(|_, rate| !rate.is_over(self.window, now_ms));
        }
        // Client ids are the clients' to choose.
        let entity = if rates.len() < MAX_RATES { entity } else { QuotaEntity::default() };
        let rate = rates.entry((name, entity)).or_default();
        rate.record(self.window, now_ms, amount);
        Duration::from_millis(rate.wait_ms(self.window, now_ms, limit))
    }
}
