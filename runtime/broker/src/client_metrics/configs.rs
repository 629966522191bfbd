//! `client-metrics` configs: what is to be pushed by whom.

use std::collections::BTreeMap;

use tidemill_state::{Command, MetadataCommand};
use tidemill_telemetry::{
    DEFAULT_INTERVAL_MS, INTERVAL_MS, InvalidSubscription, MATCH, METRICS, Subscription,
};

use crate::broker::Broker;
use crate::config::{ConfigEntry, ConfigSource, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::journals::{done, rejected};

/// Name, type, what it is for.
const CONFIGS: [(&str, ValueKind, &str); 3] = [
    (INTERVAL_MS, ValueKind::Int, "Metrics push interval in milliseconds"),
    (MATCH, ValueKind::List, "Client match criteria"),
    (METRICS, ValueKind::List, "Telemetry metric name prefix list"),
];

impl From<InvalidSubscription> for Error {
    fn from(invalid: InvalidSubscription) -> Self {
        let kind = match &invalid {
            InvalidSubscription::Match(_) => ErrorKind::InvalidConfig,
            InvalidSubscription::Unknown(_) | InvalidSubscription::Interval(_) => ErrorKind::InvalidRequest,
        };
        Self::new(kind, invalid.to_string())
    }
}

impl Broker {
    /// Names of the subscriptions to metrics of clients.
    #[must_use]
    pub fn client_metrics_subscriptions(&self) -> Vec<String> {
        let metadata = self.journals.metadata();
        metadata
            .state(|state| state.metadata().client_metrics().keys().map(|name| name.to_string()).collect())
    }

    /// What was set on a subscription.
    #[must_use]
    pub fn client_metrics_configs(&self, name: &str) -> BTreeMap<String, String> {
        let metadata = self.journals.metadata();
        metadata.state(|state| state.metadata().client_metrics().get(name).cloned()).unwrap_or_default()
    }

    /// Every config of a subscription.
    #[must_use]
    pub fn describe_client_metrics(&self, name: &str) -> Vec<ConfigEntry> {
        let own = self.client_metrics_configs(name);
        let entry = |(name, kind, doc): (&str, ValueKind, &'static str)| {
            let set = own.get(name);
            let default =
                || if name == INTERVAL_MS { DEFAULT_INTERVAL_MS.to_string() } else { String::new() };
            ConfigEntry {
                name: name.to_owned(),
                value: set.cloned().unwrap_or_else(default),
                source: set.map_or(ConfigSource::Default, |_| ConfigSource::ClientMetrics),
                kind,
                doc,
                read_only: false,
                sensitive: false,
                // As in Kafka.
                synonyms: Vec::new(),
            }
        };
        CONFIGS.into_iter().map(entry).collect()
    }

    /// Sets (or, with none, resets) configs of a subscription; it is gone when it has none left.
    pub async fn alter_client_metrics(
        &self,
        name: &str,
        changes: Vec<(String, Option<String>)>,
        validate_only: bool,
    ) -> Result<(), Error> {
        if name.is_empty() {
            return Err(Error::new(ErrorKind::InvalidRequest, "Subscription name can't be empty"));
        }
        let mut configs = self.client_metrics_configs(name);
        for (name, value) in &changes {
            match value {
                Some(value) => configs.insert(name.clone(), value.clone()),
                None => configs.remove(name),
            };
        }
        Subscription::parse(&configs)?;
        if validate_only {
            return Ok(());
        }
        let command = MetadataCommand::AlterClientMetrics { name: name.to_owned(), changes };
        let metadata = self.journals.metadata();
        let outcome = metadata.propose(Command::Metadata(command)).await?;
        done(outcome).map_err(|rejection| rejected(&rejection))?;
        self.client_metrics.reload(metadata);
        Ok(())
    }
}
