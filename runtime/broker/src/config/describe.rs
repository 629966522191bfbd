//! Configs as DescribeConfigs shows them: what applies, and everything that was set below it.
//!
//! What applies to a topic is, from the strongest: the topic's own setting, this broker's dynamic
//! one, the dynamic one of all brokers, the file, environment and flags, the built-in default.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::settings::{SETTINGS, is_dynamic};
use super::{BrokerConfig, ValueKind};
use crate::broker::Broker;
use crate::topics::topic_config::{self, TopicSetting};
use crate::topics::{Topic, inert};

/// Where a config's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// It was set on the topic.
    Topic,
    /// It was set on this broker while it ran.
    DynamicBroker,
    /// It was set on all brokers while they ran.
    DynamicDefaultBroker,
    /// It was set by file, environment or flags.
    StaticBroker,
    /// Nobody set it.
    Default,
    /// It was set on a subscription to metrics of clients.
    ClientMetrics,
}

/// A value that was set somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The name there.
    pub name: String,
    /// The value there.
    pub value: String,
    /// Where.
    pub source: ConfigSource,
}

/// One config of a topic or broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Kafka's name.
    pub name: String,
    /// The value that applies.
    pub value: String,
    /// Where it comes from.
    pub source: ConfigSource,
    /// The type of the value.
    pub kind: ValueKind,
    /// What it is for.
    pub doc: &'static str,
    /// It cannot change while the broker runs.
    pub read_only: bool,
    /// Its value must not be shown.
    pub sensitive: bool,
    /// Everything that was set, the strongest first.
    pub synonyms: Vec<ConfigSynonym>,
}

/// Everything that a setting of a broker may come from.
struct Layers {
    own: BTreeMap<String, String>,
    all: BTreeMap<String, String>,
    start: Arc<BrokerConfig>,
    built_in: BrokerConfig,
}

impl Layers {
    fn of(broker: &Broker) -> Self {
        let node_id = broker.config.node_id;
        let set = |of| broker.journals.metadata().state(|s| s.metadata().broker_configs(of).cloned());
        Self {
            own: set(Some(node_id)).unwrap_or_default(),
            all: set(None).unwrap_or_default(),
            start: Arc::clone(&broker.config),
            built_in: BrokerConfig::default(),
        }
    }

    fn synonyms(&self, name: &str, get: impl Fn(&BrokerConfig) -> String) -> Vec<ConfigSynonym> {
        let synonym = |value: String, source| ConfigSynonym { name: name.to_owned(), value, source };
        let (started, built_in) = (get(&self.start), get(&self.built_in));
        let dynamic = [
            self.own.get(name).map(|value| synonym(value.clone(), ConfigSource::DynamicBroker)),
            self.all.get(name).map(|value| synonym(value.clone(), ConfigSource::DynamicDefaultBroker)),
            (started != built_in).then(|| synonym(started, ConfigSource::StaticBroker)),
            Some(synonym(built_in, ConfigSource::Default)),
        ];
        dynamic.into_iter().flatten().collect()
    }

    fn of_topic_default(&self, setting: &TopicSetting) -> Vec<ConfigSynonym> {
        self.synonyms(setting.broker_name, |config| (setting.get)(&config.topic_defaults))
    }
}

fn entry(
    name: &str,
    value: String,
    kind: ValueKind,
    doc: &'static str,
    synonyms: Vec<ConfigSynonym>,
) -> ConfigEntry {
    let source = synonyms.first().map_or(ConfigSource::Default, |first| first.source);
    ConfigEntry {
        name: name.to_owned(),
        // An address with a password in it.
        sensitive: name == "object.store" && value.contains('@'),
        value,
        source,
        kind,
        doc,
        read_only: is_dynamic(name) == Some(false),
        synonyms,
    }
}

impl Broker {
    /// Every config of a topic.
    #[must_use]
    pub fn describe_topic_configs(&self, topic: &Topic) -> Vec<ConfigEntry> {
        let layers = Layers::of(self);
        let own = |name: &str| {
            topic.own_configs.get(name).map(|value| ConfigSynonym {
                name: name.to_owned(),
                value: value.clone(),
                source: ConfigSource::Topic,
            })
        };
        let known = topic_config::SETTINGS.iter().map(|setting| {
            let below = layers.of_topic_default(setting);
            let synonyms = own(setting.name).into_iter().chain(below).collect();
            let value = (setting.get)(&topic.config);
            ConfigEntry {
                read_only: false,
                ..entry(setting.name, value, setting.kind, setting.doc, synonyms)
            }
        });
        let inert = inert::INERT.iter().filter_map(|setting| {
            let default = setting.default.map(|value| ConfigSynonym {
                name: setting.name.to_owned(),
                value: value.to_owned(),
                source: ConfigSource::Default,
            });
            let synonyms: Vec<_> = own(setting.name).into_iter().chain(default).collect();
            let value = synonyms.first()?.value.clone();
            Some(entry(setting.name, value, setting.kind, setting.why, synonyms))
        });
        known.chain(inert).collect()
    }

    /// Every config of this broker.
    #[must_use]
    pub fn describe_broker_configs(&self) -> Vec<ConfigEntry> {
        let (layers, config) = (Layers::of(self), self.config());
        let own = SETTINGS.iter().filter_map(|setting| {
            let get = setting.get?;
            let synonyms = layers.synonyms(setting.name, get);
            Some(entry(setting.name, get(&config), setting.kind, setting.doc, synonyms))
        });
        let topics = topic_config::SETTINGS.iter().map(|setting| {
            let value = (setting.get)(&config.topic_defaults);
            let synonyms = layers.of_topic_default(setting);
            entry(setting.broker_name, value, setting.kind, setting.doc, synonyms)
        });
        own.chain(topics).collect()
    }

    /// What was set on all brokers while they ran.
    #[must_use]
    pub fn describe_broker_defaults(&self) -> Vec<ConfigEntry> {
        let all = Layers::of(self).all;
        let described = self.describe_broker_configs().into_iter().filter_map(|entry| {
            let value = all.get(&entry.name)?.clone();
            let synonyms = entry.synonyms.into_iter();
            let synonyms: Vec<_> =
                synonyms.filter(|synonym| synonym.source == ConfigSource::DynamicDefaultBroker).collect();
            Some(ConfigEntry { value, source: ConfigSource::DynamicDefaultBroker, synonyms, ..entry })
        });
        described.collect()
    }
}
