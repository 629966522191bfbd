//! What an operator wants to know of which clients: one `client-metrics` resource.

use std::collections::BTreeMap;

use regex_lite::{Regex, RegexBuilder};

use crate::client::ClientFacts;

/// The config that lists prefixes of metric names.
pub const METRICS: &str = "metrics";
/// The config that says how often clients push.
pub const INTERVAL_MS: &str = "interval.ms";
/// The config that says which clients are meant.
pub const MATCH: &str = "match";
/// The prefix that stands for all metrics.
pub const ALL_METRICS: &str = "*";
/// How often clients push that nobody gave another interval.
pub const DEFAULT_INTERVAL_MS: i32 = 300_000;

/// Kafka's bounds of the interval.
const INTERVALS_MS: std::ops::RangeInclusive<i32> = 100..=3_600_000;
/// Longest pattern and longest text that one is held against, so that matching stays cheap.
const MAX_PATTERN_BYTES: usize = 512;
const MAX_TEXT_BYTES: usize = 1024;
/// Memory of one compiled pattern.
const MAX_COMPILED_BYTES: usize = 64 << 10;

/// Why configs are no subscription.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubscription {
    /// There is no such config.
    #[error("Unknown client metrics configuration: {0}")]
    Unknown(String),
    /// The interval is no number, or out of bounds.
    #[error("Invalid value {0} for interval.ms, interval must be between 100 and 3600000 (1 hour)")]
    Interval(String),
    /// One of the patterns.
    #[error("Illegal client matching pattern: {0}")]
    Match(String),
}

/// A property of a client that can be matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attribute {
    InstanceId,
    ClientId,
    SoftwareName,
    SoftwareVersion,
    Address,
    Port,
}

impl Attribute {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "client_instance_id" => Self::InstanceId,
            "client_id" => Self::ClientId,
            "client_software_name" => Self::SoftwareName,
            "client_software_version" => Self::SoftwareVersion,
            "client_source_address" => Self::Address,
            "client_source_port" => Self::Port,
            _ => return None,
        })
    }

    fn of(self, client: &ClientFacts) -> String {
        match self {
            Self::InstanceId => client.instance_name.clone(),
            Self::ClientId => client.client_id.clone(),
            Self::SoftwareName => client.software_name.clone(),
            Self::SoftwareVersion => client.software_version.clone(),
            Self::Address => client.address.map(|address| address.ip().to_string()).unwrap_or_default(),
            Self::Port => client.address.map(|address| address.port().to_string()).unwrap_or_default(),
        }
    }
}

/// One subscription.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Prefixes of the metrics that are wanted.
    pub(crate) metrics: Vec<String>,
    /// How often.
    pub(crate) interval_ms: i32,
    /// What a client has to be like, in all respects.
    patterns: Vec<(Attribute, Regex)>,
}

impl Subscription {
    /// Reads the configs of a resource.
    pub fn parse(configs: &BTreeMap<String, String>) -> Result<Self, InvalidSubscription> {
        let mut subscription =
            Self { metrics: Vec::new(), interval_ms: DEFAULT_INTERVAL_MS, patterns: Vec::new() };
        for (name, value) in configs {
            match name.as_str() {
                METRICS => subscription.metrics = words(value).map(str::to_owned).collect(),
                INTERVAL_MS => subscription.interval_ms = interval(value)?,
                MATCH => subscription.patterns = words(value).map(pattern).collect::<Result<_, _>>()?,
                _ => return Err(InvalidSubscription::Unknown(name.clone())),
            }
        }
        Ok(subscription)
    }

    /// Whether the client is meant.
    pub(crate) fn is_for(&self, client: &ClientFacts) -> bool {
        self.patterns.iter().all(|(attribute, regex)| {
            let text = attribute.of(client);
            text.len() <= MAX_TEXT_BYTES && regex.is_match(&text)
        })
    }
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn interval(value: &str) -> Result<i32, InvalidSubscription> {
    let interval = value.trim().parse().ok().filter(|interval| INTERVALS_MS.contains(interval));
    interval.ok_or_else(|| InvalidSubscription::Interval(value.to_owned()))
}

/// `client_id=pattern`; the pattern has to fit the whole text.
fn pattern(text: &str) -> Result<(Attribute, Regex), InvalidSubscription> {
    let invalid = || InvalidSubscription::Match(text.to_owned());
    let (name, pattern) = text.split_once('=').ok_or_else(invalid)?;
    let (attribute, pattern) = (Attribute::parse(name.trim()).ok_or_else(invalid)?, pattern.trim());
    if pattern.is_empty() || pattern.contains('=') || pattern.len() > MAX_PATTERN_BYTES {
        return Err(invalid());
    }
    // Parsed on its own first: `a)(b` would become valid by what is put around it.
    RegexBuilder::new(pattern).size_limit(MAX_COMPILED_BYTES).build().map_err(|_| invalid())?;
    let whole = RegexBuilder::new(&format!(r"\A(?:{pattern})\z")).size_limit(MAX_COMPILED_BYTES).build();
    Ok((attribute, whole.map_err(|_| invalid())?))
}
