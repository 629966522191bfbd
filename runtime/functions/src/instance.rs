//! One instance of a function: calls, and what they return, checked.

use crate::guest::Guest;
use crate::host::Shared;
use crate::log::cut;
use crate::meter::{DeadlineExceeded, Metered};
use crate::module::Compiled;
use crate::wire;
use crate::{CallError, InstanceOptions, Kind, Module};
use bytes::Bytes;
use std::sync::Arc;
use tidemill_records::summarize_section;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use wasmtime::Store;
use wasmtime::component::Func;

/// Longest message kept of a failure or trap.
const MAX_MESSAGE_BYTES: usize = 8 * 1024;

/// What is true of all records of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchFacts {
    /// The input topic.
    pub topic: Arc<str>,
    /// The input partition.
    pub partition: i32,
    /// What offset deltas are added to.
    pub base_offset: i64,
    /// What timestamp deltas are added to.
    pub base_timestamp: i64,
    /// Every record's timestamp, where the topic stamps the time of arrival (the batch's max timestamp).
    pub log_append_time: Option<i64>,
    /// How many records the section holds.
    pub record_count: u32,
}

/// Records that a transform wrote, checked: whole, with offset deltas 0, 1, 2, ….
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Which of the function's outputs. Any number: the host does not know how many there are.
    pub output: u32,
    /// The partition the function chose; none means the input's number. Any number, too.
    pub partition: Option<i32>,
    /// What timestamp deltas are added to.
    pub base_timestamp: i64,
    /// The largest timestamp.
    pub max_timestamp: i64,
    /// How many records; at least one.
    pub record_count: i32,
    /// The record section.
    pub records: Bytes,
}

/// What a call comes to.
pub type CallResult = Result<Vec<Output>, CallError>;

/// A logical instance: one function on one input partition. Its memory comes into being with a call and goes with
/// [`Instance::unload`], a trap or a limit that was hit; statics of the guest live as long as that memory.
pub struct Instance {
    module: Module,
    options: Arc<InstanceOptions>,
    live: Option<Live>,
}

impl Instance {
    pub(crate) fn new(module: Module, options: InstanceOptions) -> Self {
        Instance { module, options: Arc::new(options), live: None }
    }

    /// Whether the instance takes memory now.
    pub fn is_loaded(&self) -> bool {
        self.live.is_some()
    }

    /// Gives the instance's memory back until the next call.
    pub fn unload(&mut self) {
        self.live = None;
    }

    /// Runs a transform on a record section. If the returned future is dropped, the call ends with it.
    pub async fn transform(&mut self, facts: BatchFacts, records: Bytes) -> Result<Vec<Output>, CallError> {
        self.call(Request { facts: facts.into(), delivery_id: None, records }).await
    }

    /// Runs a transform on one record section after another, until one fails or the outputs have `enough_bytes`
    /// together. Returns a result for each that ran, at least one if there are any; only the last can be an error. If
    /// the returned future is dropped, the calls end with it.
    ///
    /// A call by itself is handed to a worker's thread and its result back, which costs as much as a hundred records.
    pub async fn transform_each(
        &mut self,
        sections: impl IntoIterator<Item = (BatchFacts, Bytes)>,
        enough_bytes: usize,
    ) -> Vec<CallResult> {
        let request = |(facts, records): (BatchFacts, Bytes)| Request {
            facts: facts.into(),
            delivery_id: None,
            records,
        };
        let requests = sections.into_iter().map(request).collect();
        self.call_each(Kind::Transform, requests, enough_bytes).await.unwrap_or_else(|error| vec![Err(error)])
    }

    /// Runs a sink on a record section. `delivery_id` must be the same whenever the same records are delivered, see
    /// [`delivery_id`]. If the returned future is dropped, the call ends with it.
    pub async fn sink(
        &mut self,
        facts: BatchFacts,
        delivery_id: String,
        records: Bytes,
    ) -> Result<(), CallError> {
        self.call(Request { facts: facts.into(), delivery_id: Some(delivery_id), records }).await.map(drop)
    }

    async fn call(&mut self, request: Request) -> CallResult {
        let results = self.call_each(request.kind(), vec![request], usize::MAX).await?;
        let not_made = || Err(CallError::Host("the call was not made".to_owned()));
        results.into_iter().next().unwrap_or_else(not_made)
    }

    async fn call_each(
        &mut self,
        kind: Kind,
        requests: Vec<Request>,
        enough_bytes: usize,
    ) -> Result<Vec<CallResult>, CallError> {
        if kind != self.module.kind() {
            return Err(CallError::WrongKind(self.module.kind()));
        }
        let gone = || CallError::Host("the host is shutting down".to_owned());
        let workers = self.module.host.workers.handle().ok_or_else(gone)?;
        let live = self.live.take();
        let calls = run_each(self.module.clone(), Arc::clone(&self.options), live, requests, enough_bytes);
        let mut task = AbortOnDrop(workers.spawn(calls));
        let (live, results) = (&mut task.0).await.map_err(|error| CallError::Host(error.to_string()))?;
        self.live = live;
        Ok(results)
    }
}

/// Names a delivery for [`Instance::sink`]: the same for the same function and records, whoever delivers them, and
/// fit for an HTTP header.
pub fn delivery_id(
    function: &str,
    topic: &str,
    partition: i32,
    first_offset: i64,
    last_offset: i64,
) -> String {
    format!("{function}/{topic}/{partition}/{first_offset}-{last_offset}")
}

/// What a call is about.
struct Request {
    facts: wire::Batch,
    /// For sinks only.
    delivery_id: Option<String>,
    records: Bytes,
}

impl Request {
    fn kind(&self) -> Kind {
        match self.delivery_id {
            Some(_) => Kind::Sink,
            None => Kind::Transform,
        }
    }
}

/// The memory of an instance, or an instance about to be made.
struct Live {
    store: Store<Guest>,
    process: Option<Func>,
    _slot: OwnedSemaphorePermit,
}

impl Live {
    fn new(host: &Shared, options: &InstanceOptions) -> Result<Self, CallError> {
        let slot = Arc::clone(&host.slots)
            .try_acquire_owned()
            .map_err(|_| CallError::TooManyInstances(host.options.max_live_instances))?;
        Ok(Live { store: Guest::store(&host.engine, options), process: None, _slot: slot })
    }

    async fn process(
        &mut self,
        compiled: &Compiled,
        request: &Request,
    ) -> wasmtime::Result<Result<Vec<wire::Output>, wire::Failure>> {
        let process = match self.process {
            Some(process) => process,
            None => self.instantiate(compiled).await?,
        };
        let facts = request.facts.clone();
        match &request.delivery_id {
            None => {
                let process =
                    process.typed::<wire::TransformParams<'_>, wire::TransformResults>(&self.store)?;
                Ok(process.call_async(&mut self.store, (facts, &request.records)).await?.0)
            }
            Some(id) => {
                let process = process.typed::<wire::SinkParams<'_>, wire::SinkResults>(&self.store)?;
                let params = (facts, id.as_str(), request.records.as_ref());
                Ok(process.call_async(&mut self.store, params).await?.0.map(|()| Vec::new()))
            }
        }
    }

    async fn instantiate(&mut self, compiled: &Compiled) -> wasmtime::Result<Func> {
        let instance = compiled.pre.instantiate_async(&mut self.store).await?;
        let process = instance
            .get_func(&mut self.store, compiled.process)
            .ok_or_else(|| wasmtime::Error::msg("the module's function is gone"))?;
        self.process = Some(process);
        Ok(process)
    }

    /// What a failed call comes down to.
    fn explain(&self, error: &wasmtime::Error, options: &InstanceOptions) -> CallError {
        let limits = options.limits;
        let guest = self.store.data();
        if error.is::<DeadlineExceeded>() {
            return CallError::DeadlineExceeded { deadline_ms: limits.deadline_ms };
        }
        if guest.limiter.denied() {
            return CallError::MemoryLimit { limit_bytes: limits.memory_bytes };
        }
        let message = format!("{error:?}");
        // Wasmtime keeps the type of this error to itself.
        if message.contains("fuel allocated for hostcalls") {
            return CallError::OutputTooLarge { limit_bytes: limits.output_bytes };
        }
        let words = guest.log.take_last_words();
        let message = if words.is_empty() { message } else { format!("{words}\n{message}") };
        CallError::Trap(cut(&message, MAX_MESSAGE_BYTES).to_owned())
    }
}

/// Makes calls, on a worker. Returns the instance's memory if the next call may use it.
async fn run_each(
    module: Module,
    options: Arc<InstanceOptions>,
    mut live: Option<Live>,
    requests: Vec<Request>,
    enough_bytes: usize,
) -> (Option<Live>, Vec<CallResult>) {
    let mut results = Vec::with_capacity(requests.len());
    let mut bytes = 0;
    for request in requests {
        let result;
        (live, result) = run(&module, &options, live, request).await;
        bytes += result.iter().flatten().map(|output| output.records.len()).sum::<usize>();
        let is_last = result.is_err() || bytes >= enough_bytes;
        results.push(result);
        if is_last {
            break;
        }
    }
    (live, results)
}

async fn run(
    module: &Module,
    options: &InstanceOptions,
    live: Option<Live>,
    request: Request,
) -> (Option<Live>, CallResult) {
    let live = live.map_or_else(|| Live::new(&module.host, options), Ok);
    let mut live = match live {
        Ok(live) => live,
        Err(error) => return (None, Err(error)),
    };
    Guest::restart(&mut live.store);
    let meter = Arc::clone(&live.store.data().meter);
    let processing = live.process(&module.inner, &request);
    let outcome = Metered::new(processing, meter, Arc::clone(&module.host.ticker)).await;
    match outcome.unwrap_or_else(|late| Err(late.into())) {
        Ok(Ok(outputs)) => match checked(outputs, options.limits.output_bytes) {
            Ok(outputs) => (Some(live), Ok(outputs)),
            Err(error) => (None, Err(error)),
        },
        Ok(Err(failure)) => (Some(live), Err(failure.into())),
        Err(error) => (None, Err(live.explain(&error, options))),
    }
}

/// Outputs that are what they claim to be, without those that are empty.
fn checked(outputs: Vec<wire::Output>, limit_bytes: u64) -> Result<Vec<Output>, CallError> {
    let total: usize = outputs.iter().map(|output| output.records.len()).sum();
    if total as u64 > limit_bytes {
        return Err(CallError::OutputTooLarge { limit_bytes });
    }
    let full = |output: &wire::Output| output.record_count > 0 || !output.records.is_empty();
    outputs.into_iter().filter(full).map(Output::check).collect()
}

impl Output {
    fn check(output: wire::Output) -> Result<Self, CallError> {
        let garbage = |why: &dyn std::fmt::Display| {
            CallError::GarbageOutput(format!("output {}: {why}", output.output))
        };
        let summary = summarize_section(&output.records).map_err(|error| garbage(&error))?;
        if i64::from(summary.record_count) != i64::from(output.record_count) {
            let (claimed, found) = (output.record_count, summary.record_count);
            return Err(garbage(&format!("it says {claimed} records and holds {found}")));
        }
        if !summary.is_consecutive {
            return Err(garbage(&"the records' offset deltas are not 0, 1, 2, …"));
        }
        let max_timestamp = output
            .base_timestamp
            .checked_add(summary.max_timestamp_delta)
            .ok_or_else(|| garbage(&"a timestamp does not fit 64 bits"))?;
        Ok(Output {
            output: output.output,
            partition: output.partition,
            base_timestamp: output.base_timestamp,
            max_timestamp,
            record_count: summary.record_count,
            records: output.records.into(),
        })
    }
}

impl From<BatchFacts> for wire::Batch {
    fn from(facts: BatchFacts) -> Self {
        wire::Batch {
            topic: facts.topic,
            partition: facts.partition,
            base_offset: facts.base_offset,
            base_timestamp: facts.base_timestamp,
            log_append_time: facts.log_append_time,
            record_count: facts.record_count,
        }
    }
}

impl From<wire::Failure> for CallError {
    fn from(failure: wire::Failure) -> Self {
        CallError::Failed {
            offset_delta: failure.offset_delta,
            message: cut(&failure.message, MAX_MESSAGE_BYTES).to_owned(),
            retry: failure.retry,
        }
    }
}

/// A call that ends when nobody waits for it any more.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
