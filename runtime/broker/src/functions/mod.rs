//! Functions: WebAssembly modules deployed on topics.
//!
//! The truth is the metadata journal (which functions there are) and the data journals (where each
//! stands on each input partition). [`Catalog`] is what the broker looks at; `runner` reads, calls
//! the guest and commits. A function without new records holds nothing but its place in the catalog.

mod catalog;
mod delete;
mod deploy;
mod runner;
mod view;

use std::sync::Arc;

use parking_lot::Mutex;
use tidemill_functions::{Host, LogLine, LogRing};

use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
pub(crate) use catalog::Catalog;
use catalog::Deployment;
pub use deploy::NewFunction;
use runner::Scheduler;
pub use view::{FunctionView, InstanceView};

/// Log lines kept of each function.
const LOG_LINES: usize = 1000;
/// Most log lines answered at once.
const MAX_LOG_LINES: usize = 1000;

/// Everything the broker has for functions.
pub(crate) struct Functions {
    pub(crate) host: Host,
    pub(crate) catalog: Catalog,
    pub(crate) scheduler: Arc<Scheduler>,
    /// One deployment, deletion or change of status at a time.
    changing: tokio::sync::Mutex<()>,
    /// Logs outlive the deployment that wrote them, by function name.
    logs: Mutex<std::collections::HashMap<String, Arc<LogRing>>>,
}

impl Functions {
    /// Functions on a host; none are known until [`start`].
    pub(crate) fn new(host: Host) -> Self {
        Self {
            host,
            catalog: Catalog::default(),
            scheduler: Arc::new(Scheduler::new()),
            changing: tokio::sync::Mutex::default(),
            logs: Mutex::default(),
        }
    }

    fn logs_of(&self, name: &str) -> Arc<LogRing> {
        let mut logs = self.logs.lock();
        Arc::clone(logs.entry(name.to_owned()).or_insert_with(|| Arc::new(LogRing::new(LOG_LINES))))
    }
}

/// Runs the functions that the metadata journal knows, from where they stood.
pub(crate) fn start(broker: &Arc<Broker>) {
    let deployed: Vec<_> =
        broker.journals.metadata().state(|state| state.metadata().functions().values().cloned().collect());
    for metadata in deployed {
        broker.functions.catalog.put(Deployment::new(metadata, &broker.functions));
    }
    runner::start(broker);
    delete::finish_deletions(broker);
}

impl Broker {
    /// What a function and its host logged, from a sequence number on.
    pub fn function_logs(&self, name: &str, from_sequence: u64) -> Result<Vec<LogLine>, Error> {
        self.functions.catalog.by_name(name).ok_or_else(|| unknown(name))?;
        Ok(self.functions.logs_of(name).since(from_sequence, MAX_LOG_LINES))
    }
}

fn unknown(name: &str) -> Error {
    Error::new(ErrorKind::ResourceNotFound, format!("function {name:?} does not exist"))
}
