//! Settings of the host, and of an instance.

use crate::allow_list::AllowList;
use crate::log::LogSink;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Settings of a [`Host`](crate::Host).
#[derive(Clone, Debug)]
pub struct HostOptions {
    /// Where compiled code is kept; `None` compiles again after each start. Must belong to the broker alone.
    pub cache_dir: Option<PathBuf>,
    /// Threads that run guests; `None` takes one per CPU.
    pub workers: Option<usize>,
    /// How often a running guest lets others run and has its deadline checked.
    pub tick: Duration,
    /// Largest module accepted.
    pub max_module_bytes: usize,
    /// Most instances in memory at a time, over all functions.
    pub max_live_instances: usize,
}

impl Default for HostOptions {
    fn default() -> Self {
        HostOptions {
            cache_dir: None,
            workers: None,
            tick: Duration::from_millis(10),
            max_module_bytes: 64 << 20,
            max_live_instances: 4096,
        }
    }
}

/// Bounds of one instance and of each of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory, all memories of the component together.
    pub memory_bytes: u64,
    /// How long a call may compute and wait. Time in which the host lets others run does not count.
    pub deadline_ms: u64,
    /// How much a call may return.
    pub output_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { memory_bytes: 64 << 20, deadline_ms: 5_000, output_bytes: 16 << 20 }
    }
}

/// Settings of an [`Instance`](crate::Instance).
#[derive(Clone)]
pub struct InstanceOptions {
    /// What the guest sees as its config.
    pub config: Arc<BTreeMap<String, String>>,
    /// Bounds.
    pub limits: Limits,
    /// The hosts that a sink may send HTTP requests to.
    pub allow_http: Arc<AllowList>,
    /// Where the guest's log lines go.
    pub log: Arc<dyn LogSink>,
}
