//! Resources that have configs, and Kafka's codes for where a value comes from and what type it has.

use std::collections::HashSet;

use kafka_protocol::protocol::StrBytes;
use tidemill_broker::{
    ConfigEntry, ConfigSource, Error, ErrorKind, PLACEMENT_GROUP, ValueKind, alter_group_configs,
    describe_group_configs,
};

use crate::service::Call;

/// Kafka's codes of resource types.
pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;
pub(super) const BROKER_LOGGER: i8 = 8;
pub(super) const CLIENT_METRICS: i8 = 16;
pub(super) const GROUP: i8 = 32;

/// Names to new values; none resets.
pub(super) type Changes = Vec<(String, Option<String>)>;

/// Something that has configs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Topic(String),
    /// This broker, or (with none) all of them.
    Broker(Option<i32>),
    Group,
    ClientMetrics(String),
}

impl Resource {
    /// By Kafka's code; for a broker, the name must be this one's id, or empty for all brokers.
    pub(super) fn parse(call: &Call<'_>, code: i8, name: &str) -> Result<Resource, Error> {
        let node = call.node_id();
        match code {
            TOPIC => Ok(Resource::Topic(name.to_owned())),
            BROKER if name.is_empty() => Ok(Resource::Broker(None)),
            BROKER if name.parse() == Ok(node) => Ok(Resource::Broker(Some(node))),
            BROKER => Err(invalid(format!("there is no broker {name:?} here, only {node}"))),
            BROKER_LOGGER => Err(invalid("what is logged is set when the broker starts (TIDEMILL_LOG)")),
            CLIENT_METRICS if name.is_empty() => Err(invalid("the subscription has no name")),
            CLIENT_METRICS => Ok(Resource::ClientMetrics(name.to_owned())),
            GROUP if name.is_empty() => Err(invalid("the group has no name")),
            GROUP => Ok(Resource::Group),
            _ => Err(invalid(format!("configs of resource type {code} are not known"))),
        }
    }

    /// Every config it has.
    pub(super) fn describe(&self, call: &Call<'_>) -> Result<Vec<ConfigEntry>, Error> {
        let broker = call.broker();
        Ok(match self {
            Resource::Topic(name) => {
                let topic = broker.find_topic(&name.as_str().into())?;
                broker.describe_topic_configs(&topic)
            }
            Resource::Broker(Some(_)) => broker.describe_broker_configs(),
            Resource::Broker(None) => broker.describe_broker_defaults(),
            Resource::ClientMetrics(name) => broker.describe_client_metrics(name),
            Resource::Group => describe_group_configs(),
        })
    }

    /// Names of what was set on it and is reset by replacing all. A topic's placement is fixed.
    pub(super) fn own(&self, call: &Call<'_>) -> Result<Vec<String>, Error> {
        Ok(match self {
            Resource::Topic(name) => {
                let topic = call.broker().find_topic(&name.as_str().into())?;
                topic.own_configs.keys().filter(|name| *name != PLACEMENT_GROUP).cloned().collect()
            }
            Resource::Broker(node_id) => call.broker().dynamic_configs(*node_id).into_keys().collect(),
            Resource::ClientMetrics(name) => call.broker().client_metrics_configs(name).into_keys().collect(),
            Resource::Group => Vec::new(),
        })
    }

    /// Sets and resets configs.
    pub(super) async fn alter(
        &self,
        call: &Call<'_>,
        changes: Changes,
        validate_only: bool,
    ) -> Result<(), Error> {
        let broker = call.broker();
        match self {
            Resource::Topic(name) => {
                broker.alter_topic_configs(name, changes, validate_only).await.map(|_| ())
            }
            Resource::Broker(node_id) => broker.alter_broker_configs(*node_id, changes, validate_only).await,
            Resource::Group => alter_group_configs(&changes),
            Resource::ClientMetrics(name) => broker.alter_client_metrics(name, changes, validate_only).await,
        }
    }
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

/// Whether a request names a resource twice: then Kafka refuses every mention of it.
pub(super) fn named_twice<'a>(resources: impl Iterator<Item = (i8, &'a StrBytes)>) -> HashSet<(i8, &'a str)> {
    let mut seen = HashSet::new();
    resources.map(|(code, name)| (code, name.as_str())).filter(|resource| !seen.insert(*resource)).collect()
}

/// Kafka's code of a config source.
pub(super) fn source_code(source: ConfigSource) -> i8 {
    match source {
        ConfigSource::Topic => 1,
        ConfigSource::DynamicBroker => 2,
        ConfigSource::DynamicDefaultBroker => 3,
        ConfigSource::StaticBroker => 4,
        ConfigSource::Default => 5,
        ConfigSource::ClientMetrics => 7,
    }
}

/// Kafka's code of a config type.
pub(super) fn kind_code(kind: ValueKind) -> i8 {
    match kind {
        ValueKind::Boolean => 1,
        ValueKind::String => 2,
        ValueKind::Int => 3,
        ValueKind::Long => 5,
        ValueKind::Double => 6,
        ValueKind::List => 7,
    }
}
