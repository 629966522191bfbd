//! Something in a history that must not be.

use std::fmt;

/// One finding. Names are those of Jepsen's Kafka workload where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// Which kind.
    pub name: &'static str,
    /// Where, and what was expected.
    pub detail: String,
}

impl Anomaly {
    /// A finding.
    pub fn new(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, detail: detail.into() }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.detail)
    }
}
