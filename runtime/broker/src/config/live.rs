//! Settings that change while the broker runs, as Kafka's dynamic broker configs do: set on one broker
//! or on all, kept in the metadata journal, and in effect at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidemill_state::{Command, Metadata, MetadataCommand};
use tokio::sync::watch;

use super::BrokerConfig;
use super::load::unknown;
use super::settings::{is_dynamic, set};
use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::journals::{done, rejected};

/// Kafka's throttles of replication. They are taken, so that kafka-reassign-partitions can set and
/// remove them, and limit nothing: there is no replication.
const INERT: &[&str] = &[
    "follower.replication.throttled.rate",
    "leader.replication.throttled.rate",
    "replica.alter.log.dirs.io.max.bytes.per.second",
];

/// Names to new values; none resets.
type Changes = Vec<(String, Option<String>)>;

/// What applies to a broker: its configuration at the start with what was set since on top.
pub(crate) fn overlay(start: &BrokerConfig, metadata: &Metadata) -> BrokerConfig {
    let mut config = start.clone();
    for layer in [None, Some(start.node_id)] {
        for (name, value) in metadata.broker_configs(layer).into_iter().flatten() {
            // An older broker may have taken what this one does not.
            if let Some(Err(wrong)) = set(&mut config, name, value) {
                tracing::warn!(name, value, wrong, "a dynamic setting is ignored");
            }
        }
    }
    config
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

fn check(config: &mut BrokerConfig, name: &str, value: &str) -> Result<(), Error> {
    if INERT.contains(&name) {
        return value
            .trim()
            .parse::<i64>()
            .map(|_| ())
            .map_err(|_| refused(format!("{name} is not a number")));
    }
    match is_dynamic(name) {
        None => return Err(refused(unknown(name))),
        Some(false) => {
            let message = format!(
                "{name} cannot be changed while the broker runs: set it in the file, the environment or by flag"
            );
            return Err(refused(message));
        }
        Some(true) => {}
    }
    match set(config, name, value) {
        Some(Err(wrong)) => Err(refused(format!("{name}={value} is not valid: {wrong}"))),
        _ => Ok(()),
    }
}

impl Broker {
    /// The settings it runs with at this moment.
    #[must_use]
    pub fn config(&self) -> Arc<BrokerConfig> {
        Arc::clone(&self.live.borrow())
    }

    /// Notified when settings change.
    #[must_use]
    pub fn config_changes(&self) -> watch::Receiver<Arc<BrokerConfig>> {
        self.live.subscribe()
    }

    /// What was set on this broker (or, with none, on all) while it ran.
    #[must_use]
    pub fn dynamic_configs(&self, node_id: Option<i32>) -> BTreeMap<String, String> {
        let metadata = self.journals.metadata();
        metadata.state(|state| state.metadata().broker_configs(node_id).cloned()).unwrap_or_default()
    }

    /// Sets (or, with none, resets) settings of this broker, or of all of them.
    pub async fn alter_broker_configs(
        &self,
        node_id: Option<i32>,
        changes: Changes,
        validate_only: bool,
    ) -> Result<(), Error> {
        let mut config = BrokerConfig::clone(&self.config());
        for (name, value) in &changes {
            if let Some(value) = value {
                check(&mut config, name, value)?;
            }
        }
        config.check().map_err(|error| refused(error.message))?;
        if validate_only {
            return Ok(());
        }
        let command = MetadataCommand::AlterBrokerConfigs { node_id, changes };
        let outcome = self.journals.metadata().propose(Command::Metadata(command)).await?;
        done(outcome).map_err(|rejection| rejected(&rejection))?;
        self.reload_config();
        // A broker that stops in between does it when it starts.
        self.journals.remember_producers(i64::from(self.config().producer_id_expiration_ms)).await
    }

    /// Brings the settings in force in line with the metadata.
    pub(crate) fn reload_config(&self) {
        let mut topics_change = false;
        // The state is read under the channel's lock, so that of two reloads the later one wins.
        self.live.send_modify(|current| {
            let new = self.journals.metadata().state(|state| overlay(&self.config, state.metadata()));
            topics_change = new.topic_defaults != current.topic_defaults;
            *current = Arc::new(new);
        });
        if topics_change {
            for topic in self.topics() {
                self.sync_topic(&topic.id);
                self.housekeeping.look_at(topic.partition_ids());
            }
        }
    }
}
