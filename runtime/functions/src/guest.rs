//! What belongs to one instance: its authority, its limits, its log. There is no ambient authority: no environment,
//! no arguments, no files, no sockets; stdout and stderr are log lines.

use crate::guest_log::{GuestLog, Lines};
use crate::http::Outbound;
use crate::limiter::Limiter;
use crate::log::LogLevel;
use crate::meter::{DeadlineExceeded, Meter};
use crate::module::Kind;
use crate::wire::{self, Level};
use crate::{Error, InstanceOptions};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Engine, Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Streams, pollables, requests and the like that a guest may hold at a time.
const MAX_RESOURCES: usize = 1024;
/// Random bytes that a guest may ask for at a time.
const MAX_RANDOM_BYTES: u64 = 64 * 1024;
/// Room for what a call passes to the host besides its output: an error message, a log line, a request's head.
const SMALL_TALK_BYTES: usize = 64 * 1024;

/// The data of an instance's store.
pub(crate) struct Guest {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outbound: Outbound,
    resources: ResourceTable,
    config: Arc<BTreeMap<String, String>>,
    pub(crate) limiter: Limiter,
    pub(crate) log: Arc<GuestLog>,
    pub(crate) meter: Arc<Meter>,
}

impl Guest {
    /// A store for one instance, with all its limits.
    pub(crate) fn store(engine: &Engine, options: &InstanceOptions) -> Store<Guest> {
        let limits = options.limits;
        let log = Arc::new(GuestLog::new(Arc::clone(&options.log)));
        let meter = Arc::new(Meter::new(Duration::from_millis(limits.deadline_ms)));
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(MAX_RESOURCES);
        let guest = Guest {
            wasi: powerless(&log),
            http: WasiHttpCtx::new(),
            outbound: Outbound::new(Arc::clone(&options.allow_http), Arc::clone(&meter), Arc::clone(&log)),
            resources,
            config: Arc::clone(&options.config),
            limiter: Limiter::new(limits.memory_bytes),
            log,
            meter: Arc::clone(&meter),
        };
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| &mut guest.limiter);
        // What a guest returns is measured before any of it is copied.
        let output_bytes = usize::try_from(limits.output_bytes).unwrap_or(usize::MAX);
        store.set_hostcall_fuel(output_bytes.saturating_add(SMALL_TALK_BYTES));
        store.set_max_component_handles(MAX_RESOURCES);
        store.epoch_deadline_callback(move |_| {
            if meter.left().is_zero() {
                return Err(DeadlineExceeded.into());
            }
            meter.give_way();
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }

    /// Starts a call: the deadline and what was denied count from here.
    pub(crate) fn restart(store: &mut Store<Guest>) {
        store.set_epoch_deadline(1);
        store.data_mut().limiter.restart();
        store.data().meter.restart();
        store.data().log.take_last_words();
    }
}

/// A context that gives access to clocks and random numbers, and to nothing else.
fn powerless(log: &Arc<GuestLog>) -> WasiCtx {
    WasiCtxBuilder::new()
        .stdout(Lines::stdout(log))
        .stderr(Lines::stderr(log))
        .max_random_size(MAX_RANDOM_BYTES)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.resources }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outbound, table: &mut self.resources, ctx: &mut self.http }
    }
}

/// What guests of a kind may import.
pub(crate) fn linker(engine: &Engine, kind: Kind) -> Result<Linker<Guest>, Error> {
    let mut linker = Linker::new(engine);
    add_imports(&mut linker, kind).map_err(|error| Error::Host(format!("{error:#}")))?;
    Ok(linker)
}

fn add_imports(linker: &mut Linker<Guest>, kind: Kind) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    if kind == Kind::Sink {
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    }
    let mut host = linker.instance(wire::HOST)?;
    host.func_wrap("log", |store: StoreContextMut<'_, Guest>, (level, text): (Level, String)| {
        let level = match level {
            Level::Error => LogLevel::Error,
            Level::Warn => LogLevel::Warn,
            Level::Info => LogLevel::Info,
            Level::Debug => LogLevel::Debug,
            Level::Trace => LogLevel::Trace,
        };
        store.data().log.write(level, &text);
        Ok(())
    })?;
    host.func_wrap("config-get", |store: StoreContextMut<'_, Guest>, (key,): (String,)| {
        Ok((store.data().config.get(&key).cloned(),))
    })?;
    host.func_wrap("config-all", |store: StoreContextMut<'_, Guest>, (): ()| {
        let all = store.data().config.iter().map(|(key, value)| (key.clone(), value.clone()));
        Ok((all.collect::<Vec<_>>(),))
    })
}
