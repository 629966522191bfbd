//! Uploading modules, deploying functions, pausing and resuming them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tidemill_functions::{AllowList, Kind, ModuleInfo};
use tidemill_state::{
    Command, ErrorPolicy, FunctionKind, FunctionLimits, FunctionMetadata, FunctionStatus, MetadataCommand,
    StartPosition,
};
use uuid::Uuid;

use super::catalog::Deployment;
use super::runner::dead_letter_topic;
use super::{FunctionView, runner, unknown};
use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::journals::{done, rejected};
use crate::topics::{NewTopic, name};

/// Bounds of what a deployment may ask for.
const MEMORY_BYTES: std::ops::RangeInclusive<u64> = 1 << 20..=4 << 30;
const DEADLINE_MS: std::ops::RangeInclusive<u64> = 1..=600_000;
const OUTPUT_BYTES: std::ops::RangeInclusive<u64> = 1 << 10..=32 << 20;
const MAX_TOPICS: usize = 64;
const MAX_CONFIG_BYTES: usize = 64 << 10;
/// Room for the suffix of the dead letter topic in Kafka's 249 characters.
const MAX_NAME_BYTES: usize = 100;

/// A function to be deployed.
#[derive(Clone, Debug)]
pub struct NewFunction {
    /// Its name.
    pub name: String,
    /// Hex SHA-256 of an uploaded module.
    pub module_sha256: String,
    /// Input topics; they must exist.
    pub inputs: Vec<String>,
    /// Output topics; created where they do not exist.
    pub outputs: Vec<String>,
    /// What the guest sees as its config.
    pub config: BTreeMap<String, String>,
    /// Hosts a sink may call.
    pub allow_http: Vec<String>,
    /// What to do with a record that fails.
    pub on_error: ErrorPolicy,
    /// Bounds.
    pub limits: FunctionLimits,
    /// Where it begins on partitions it has not seen.
    pub start: StartPosition,
}

impl Broker {
    /// Takes a module into the bucket; its SHA-256 names it from now on.
    pub async fn upload_module(&self, module: Bytes) -> Result<ModuleInfo, Error> {
        let info = self.functions.host.inspect(&module).map_err(not_a_module)?;
        // Compiling it now tells whoever uploads what is wrong, and makes the first call fast.
        self.functions.host.load(info.sha256, module.clone()).await.map_err(not_a_module)?;
        self.bucket.put_module(module).await?;
        Ok(info)
    }

    /// Deploys a function, or a new version of the one with this name, which goes on from where the
    /// old one stood.
    pub async fn deploy_function(self: &Arc<Self>, new: NewFunction) -> Result<FunctionView, Error> {
        let _changing = self.functions.changing.lock().await;
        let module = self.bucket.module(&new.module_sha256).await?;
        let info = self.functions.host.inspect(&module).map_err(not_a_module)?;
        self.check(&new, info.kind)?;
        self.create_outputs(&new).await?;
        let previous = self.functions.catalog.by_name(&new.name);
        let metadata = FunctionMetadata {
            function_id: previous.as_ref().map_or_else(Uuid::new_v4, |old| old.metadata.function_id),
            version: previous.as_ref().map_or(1, |old| old.metadata.version.saturating_add(1)),
            module_sha256: new.module_sha256,
            kind: match info.kind {
                Kind::Transform => FunctionKind::Transform,
                Kind::Sink => FunctionKind::Sink,
            },
            name: new.name,
            inputs: new.inputs,
            outputs: new.outputs,
            config: new.config,
            allow_http: new.allow_http,
            on_error: new.on_error,
            limits: new.limits,
            start: new.start,
            status: FunctionStatus::Running,
            deployed_at_ms: self.clock.now_ms(),
        };
        let command = MetadataCommand::DeployFunction(metadata.clone());
        self.change_metadata(command).await?;
        let deployment = Deployment::new(Arc::new(metadata), &self.functions);
        runner::open_instances(self, &deployment).await?;
        self.install(&deployment);
        Ok(self.view(&deployment))
    }

    /// Stops calling a function; it keeps its positions.
    pub async fn pause_function(self: &Arc<Self>, name: &str) -> Result<FunctionView, Error> {
        self.set_function_status(name, FunctionStatus::Paused).await
    }

    /// Runs a paused function again, or one that stopped at a record.
    pub async fn resume_function(self: &Arc<Self>, name: &str) -> Result<FunctionView, Error> {
        self.set_function_status(name, FunctionStatus::Running).await
    }

    async fn set_function_status(
        self: &Arc<Self>,
        name: &str,
        status: FunctionStatus,
    ) -> Result<FunctionView, Error> {
        let _changing = self.functions.changing.lock().await;
        let old = self.functions.catalog.by_name(name).ok_or_else(|| unknown(name))?;
        let function_id = old.metadata.function_id;
        self.change_metadata(MetadataCommand::SetFunctionStatus { function_id, status: status.clone() })
            .await?;
        let metadata = FunctionMetadata { status, ..FunctionMetadata::clone(&old.metadata) };
        let deployment = Deployment::new(Arc::new(metadata), &self.functions);
        self.install(&deployment);
        Ok(self.view(&deployment))
    }

    /// Lets a deployment take over: instances of the one before end at their next step.
    fn install(self: &Arc<Self>, deployment: &Arc<Deployment>) {
        self.functions.catalog.put(Arc::clone(deployment));
        self.functions.scheduler.forget_stopped(deployment.metadata.function_id);
        runner::wake_all(self, deployment);
    }

    pub(super) async fn change_metadata(&self, command: MetadataCommand) -> Result<(), Error> {
        let outcome = self.journals.metadata().propose(Command::Metadata(command)).await?;
        done(outcome).map_err(|rejection| rejected(&rejection))
    }

    fn check(&self, new: &NewFunction, kind: Kind) -> Result<(), Error> {
        name::validate(&new.name).map_err(|_| {
            invalid(format!(
                "function name {:?} is not valid: use letters, digits, '.', '_' and '-'",
                new.name
            ))
        })?;
        if new.name.len() > MAX_NAME_BYTES {
            return Err(invalid(format!("a function's name has at most {MAX_NAME_BYTES} characters")));
        }
        if new.inputs.is_empty() || new.inputs.len() > MAX_TOPICS || new.outputs.len() > MAX_TOPICS {
            return Err(invalid(format!(
                "a function has 1 to {MAX_TOPICS} inputs and at most {MAX_TOPICS} outputs"
            )));
        }
        for input in &new.inputs {
            self.find_topic(&input.as_str().into())?;
            if new.outputs.contains(input) {
                return Err(invalid(format!(
                    "topic {input} is an input and an output: the function would feed itself"
                )));
            }
            if new.inputs.iter().filter(|other| *other == input).count() > 1 {
                return Err(invalid(format!("input {input} is named twice")));
            }
        }
        check_kind(new, kind)?;
        AllowList::parse(&new.allow_http).map_err(|error| invalid(error.to_string()))?;
        let config_bytes: usize = new.config.iter().map(|(key, value)| key.len() + value.len()).sum();
        if config_bytes > MAX_CONFIG_BYTES {
            return Err(invalid(format!(
                "the config has {config_bytes} bytes; at most {MAX_CONFIG_BYTES} are taken"
            )));
        }
        within("memory", new.limits.memory_bytes, &MEMORY_BYTES)?;
        within("deadline_ms", new.limits.deadline_ms, &DEADLINE_MS)?;
        within("output", new.limits.output_bytes, &OUTPUT_BYTES)
    }

    /// Output topics get the first input's partitions and journals, so that a transform's outputs
    /// and its position are one command in one journal.
    async fn create_outputs(&self, new: &NewFunction) -> Result<(), Error> {
        let dead_letters = new.inputs.iter().map(|input| (dead_letter_topic(input, &new.name), input));
        let dead_letters = dead_letters.filter(|_| new.on_error == ErrorPolicy::DeadLetter);
        let first = new.inputs.first().map(String::as_str).unwrap_or_default();
        let outputs = new.outputs.iter().map(|output| (output.clone(), first));
        for (topic, model) in outputs.chain(dead_letters.map(|(topic, input)| (topic, input.as_str()))) {
            if self.topic(&topic).is_some() {
                continue;
            }
            let model = self.find_topic(&model.into())?;
            let wanted = NewTopic::named(topic)
                .with_partitions(model.partition_count())
                .with_config("tidemill.placement.group", model.placement_group());
            match self.create_topic(wanted).await {
                Err(error) if error.kind != ErrorKind::TopicAlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

fn check_kind(new: &NewFunction, kind: Kind) -> Result<(), Error> {
    match kind {
        Kind::Transform if new.outputs.is_empty() => {
            Err(invalid("the module is a transform: name at least one output topic (--output)"))
        }
        Kind::Transform if !new.allow_http.is_empty() => {
            Err(invalid("the module is a transform: only sinks may make HTTP requests"))
        }
        Kind::Sink if !new.outputs.is_empty() => {
            Err(invalid("the module is a sink: it has no output topics"))
        }
        _ => Ok(()),
    }
}

fn within(what: &str, value: u64, range: &std::ops::RangeInclusive<u64>) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(invalid(format!("limit {what}={value} is not within {} to {}", range.start(), range.end())))
}

fn not_a_module(error: tidemill_functions::Error) -> Error {
    let kind = match error {
        tidemill_functions::Error::Host(_) => ErrorKind::UnknownServerError,
        _ => ErrorKind::InvalidRequest,
    };
    Error::new(kind, error.to_string())
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}
