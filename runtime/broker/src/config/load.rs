//! Where settings come from, and who wins: flags, then the environment, then the file.

use super::settings::{canonical, names, set};
use super::value::suggest;
use super::{BrokerConfig, unsupported};
use crate::error::{Error, ErrorKind};

/// Variables of the environment that start with the prefix but are not settings of the broker.
const OTHER_VARIABLES: &[&str] = &["config", "log"];
const PREFIX: &str = "TIDEMILL_";

/// What a configuration is made from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The text of the TOML file.
    pub file: Option<String>,
    /// Variables of the environment; those without `TIDEMILL_` in front are not looked at.
    pub environment: Vec<(String, String)>,
    /// Flags that were given: name without dashes in front, and value.
    pub flags: Vec<(String, String)>,
}

impl BrokerConfig {
    /// Merges the sources over the defaults. Names that are not settings are refused, in the
    /// environment too: a misspelt variable that silently does nothing helps nobody.
    pub fn load(sources: &Sources) -> Result<Self, Error> {
        let mut config = Self::default();
        if let Some(text) = &sources.file {
            let table: toml::Table = toml::from_str(text)
                .map_err(|error| invalid(format!("the configuration file is not valid TOML: {error}")))?;
            let mut pairs = Vec::new();
            flatten("", &table, &mut pairs)?;
            apply(&mut config, "the configuration file", &pairs)?;
        }
        let environment: Vec<_> = sources
            .environment
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value)))
            .map(|(name, value)| (canonical(name), value.clone()))
            .filter(|(name, _)| !OTHER_VARIABLES.contains(&name.as_str()))
            .collect();
        apply(&mut config, "the environment", &environment)?;
        apply(&mut config, "the flags", &sources.flags)?;
        config.check()?;
        Ok(config)
    }

    /// Rules between settings.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.group_min_session_timeout_ms > self.group_max_session_timeout_ms {
            return Err(invalid("group.min.session.timeout.ms is above group.max.session.timeout.ms"));
        }
        if self.max_connections_per_ip == 0 && self.max_connections_per_ip_overrides.0.is_empty() {
            return Err(invalid(
                "max.connections.per.ip may be 0 only if max.connections.per.ip.overrides is set: nobody could connect",
            ));
        }
        if self.hot_bytes < 4 * self.wal_segment_bytes {
            return Err(invalid("hot.bytes must be at least four times wal.segment.bytes"));
        }
        Ok(())
    }
}

/// What to say of a name that is not a setting.
pub(super) fn unknown(name: &str) -> String {
    if let Some(why) = unsupported::broker(name) {
        return format!("the setting {name} is not supported: {why}");
    }
    let hint = suggest(name, names()).map(|close| format!("; did you mean {close}?"));
    format!("unknown setting {name}{}", hint.unwrap_or_default())
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

fn apply(config: &mut BrokerConfig, place: &str, pairs: &[(String, String)]) -> Result<(), Error> {
    for (name, value) in pairs {
        match set(config, name, value) {
            Some(Ok(())) => {}
            Some(Err(wrong)) => {
                return Err(invalid(format!("{place}: {name}={value} is not valid: {wrong}")));
            }
            None => {
                return Err(invalid(format!("{place}: {}", unknown(&canonical(name)))));
            }
        }
    }
    Ok(())
}

/// `num.partitions = 4` in TOML is a table in a table: names are put together again.
fn flatten(prefix: &str, table: &toml::Table, pairs: &mut Vec<(String, String)>) -> Result<(), Error> {
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let text = match value {
            toml::Value::Table(inner) => {
                flatten(&name, inner, pairs)?;
                continue;
            }
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(truth) => truth.to_string(),
            _ => {
                return Err(invalid(format!(
                    "the configuration file: {name} must be a text, a number, true or false"
                )));
            }
        };
        pairs.push((name, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn flags_win_over_environment_over_file() {
        let sources = Sources {
            file: Some(
                "num.partitions = 3\nlog.retention.hours = 2\n[auto]\ncreate.topics.enable = false".into(),
            ),
            environment: pairs(&[
                ("TIDEMILL_NUM_PARTITIONS", "4"),
                ("TIDEMILL_DATA_DIR", "a_b"),
                ("HOME", "x"),
            ]),
            flags: pairs(&[("num-partitions", "5")]),
        };
        let config = BrokerConfig::load(&sources).unwrap();
        assert_eq!(config.num_partitions, 5);
        assert_eq!(config.data_dir.to_str(), Some("a_b"));
        assert_eq!(config.topic_defaults.retention_ms, 7_200_000);
        assert!(!config.auto_create_topics_enable);
    }

    #[test]
    fn unknown_names_and_wrong_values_are_refused() {
        let load = |text: &str| {
            BrokerConfig::load(&Sources { file: Some(text.into()), ..Sources::default() })
                .unwrap_err()
                .message
        };
        assert!(load("num.partition = 3").contains("did you mean num.partitions?"));
        assert!(load("offsets.topic.num.partitions = 3").contains("in the journals"));
        assert!(load("num.partitions = 0").contains("from 1 to"));
        assert!(load("num.partitions = [1]").contains("must be a text"));
        assert!(load("num.partitions").contains("not valid TOML"));
        assert!(load("hot.bytes = 1048576").contains("four times"));
    }

    #[test]
    fn every_setting_prints_what_it_parses() {
        let default = BrokerConfig::default();
        let mut copy = default.clone();
        for described in super::super::describe(&default) {
            set(&mut copy, described.name, &described.value).unwrap().unwrap();
            assert!(described.is_default, "{}", described.name);
        }
        assert_eq!(copy, default);
    }
}
