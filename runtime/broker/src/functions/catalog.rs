//! The functions that are deployed, by name and by what they read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;
use tidemill_functions::{AllowList, InstanceOptions, Limits, LogLevel, LogRing, LogSink, Module};
use tidemill_state::{FunctionMetadata, FunctionStatus};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::Functions;
use crate::broker::Broker;
use crate::error::{Error, ErrorKind};

/// One version of a function, in one status. A change makes a new value and retires this one.
pub(crate) struct Deployment {
    pub(crate) metadata: Arc<FunctionMetadata>,
    pub(crate) logs: Arc<LogRing>,
    config: Arc<BTreeMap<String, String>>,
    module: OnceCell<Module>,
    retired: AtomicBool,
}

impl Deployment {
    pub(crate) fn new(metadata: Arc<FunctionMetadata>, functions: &Functions) -> Arc<Self> {
        Arc::new(Self {
            logs: functions.logs_of(&metadata.name),
            config: Arc::new(metadata.config.clone()),
            module: OnceCell::new(),
            retired: AtomicBool::new(false),
            metadata,
        })
    }

    /// Whether a newer deployment, a pause or a deletion has taken this one's place.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.metadata.status == FunctionStatus::Running && !self.is_retired()
    }

    /// The compiled module, loaded at the first call.
    pub(crate) async fn module(&self, broker: &Broker) -> Result<&Module, Error> {
        self.module.get_or_try_init(|| load_module(broker, &self.metadata.module_sha256)).await
    }

    /// What an instance on one input partition gets.
    pub(crate) fn instance_options(&self, topic: &str, partition: i32) -> Result<InstanceOptions, Error> {
        let limits = self.metadata.limits;
        let allow_http = AllowList::parse(&self.metadata.allow_http)
            .map_err(|error| Error::new(ErrorKind::InvalidConfig, error.to_string()))?;
        let log = PartitionLog { ring: Arc::clone(&self.logs), prefix: format!("{topic}-{partition}") };
        Ok(InstanceOptions {
            config: Arc::clone(&self.config),
            limits: Limits {
                memory_bytes: limits.memory_bytes,
                deadline_ms: limits.deadline_ms,
                output_bytes: limits.output_bytes,
            },
            allow_http: Arc::new(allow_http),
            log: Arc::new(log),
        })
    }

    /// Notes something for whoever reads the function's log.
    pub(crate) fn log(&self, level: LogLevel, text: &str) {
        self.logs.line(level, text);
    }
}

async fn load_module(broker: &Broker, sha256: &str) -> Result<Module, Error> {
    let bytes = broker.bucket.module(sha256).await?;
    let failed = |error: tidemill_functions::Error| {
        Error::new(ErrorKind::InvalidRequest, format!("module {sha256}: {error}"))
    };
    let info = broker.functions.host.inspect(&bytes).map_err(failed)?;
    broker.functions.host.load(info.sha256, bytes).await.map_err(failed)
}

/// A function's log, with the input partition in front of each line.
struct PartitionLog {
    ring: Arc<LogRing>,
    prefix: String,
}

impl LogSink for PartitionLog {
    fn line(&self, level: LogLevel, text: &str) {
        self.ring.line(level, &format!("{}: {text}", self.prefix));
    }
}

#[derive(Default)]
struct Deployments {
    by_name: BTreeMap<String, Arc<Deployment>>,
    by_input: HashMap<String, Vec<Arc<Deployment>>>,
}

/// All deployed functions.
#[derive(Default)]
pub(crate) struct Catalog {
    deployments: RwLock<Deployments>,
    /// Spares brokers without functions a look at every append.
    any: AtomicBool,
}

impl Catalog {
    /// Puts a deployment in the place of the one with its name, which is retired.
    pub(crate) fn put(&self, deployment: Arc<Deployment>) {
        let mut deployments = self.deployments.write();
        deployments.remove(&deployment.metadata.name);
        for input in &deployment.metadata.inputs {
            deployments.by_input.entry(input.clone()).or_default().push(Arc::clone(&deployment));
        }
        deployments.by_name.insert(deployment.metadata.name.clone(), deployment);
        self.any.store(true, Ordering::Release);
    }

    /// Takes a function out; its deployment is retired.
    pub(crate) fn remove(&self, name: &str) {
        let mut deployments = self.deployments.write();
        deployments.remove(name);
        self.any.store(!deployments.by_name.is_empty(), Ordering::Release);
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<Arc<Deployment>> {
        self.deployments.read().by_name.get(name).cloned()
    }

    pub(crate) fn by_id(&self, function_id: Uuid) -> Option<Arc<Deployment>> {
        let deployments = self.deployments.read();
        deployments
            .by_name
            .values()
            .find(|deployment| deployment.metadata.function_id == function_id)
            .cloned()
    }

    /// The functions that read a topic.
    pub(crate) fn by_input(&self, topic: &str) -> Vec<Arc<Deployment>> {
        self.deployments.read().by_input.get(topic).cloned().unwrap_or_default()
    }

    /// All functions by name.
    pub(crate) fn all(&self) -> Vec<Arc<Deployment>> {
        self.deployments.read().by_name.values().cloned().collect()
    }
}

impl Deployments {
    fn remove(&mut self, name: &str) {
        let Some(old) = self.by_name.remove(name) else {
            return;
        };
        old.retired.store(true, Ordering::Release);
        self.by_input.retain(|_, readers| {
            readers.retain(|reader| !Arc::ptr_eq(reader, &old));
            !readers.is_empty()
        });
    }
}
