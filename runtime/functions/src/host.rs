//! The host: one engine, the workers that run guests, the code cache.

use crate::code_cache::CodeCache;
use crate::engine::engine;
use crate::guest::{Guest, linker};
use crate::inspect::{inspect, to_component};
use crate::module::Compiled;
use crate::ticker::Ticker;
use crate::{Error, HostOptions, Kind, Module, ModuleInfo};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Mutex, Semaphore};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

/// Runs functions. Cheap to clone. Dropping the last clone, and the last [`Module`] and
/// [`Instance`](crate::Instance), stops its threads.
#[derive(Clone)]
pub struct Host {
    shared: Arc<Shared>,
}

/// What the host, its modules and their instances share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) workers: Workers,
    pub(crate) ticker: Arc<Ticker>,
    /// One permit for each instance in memory.
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) options: HostOptions,
    transforms: Linker<Guest>,
    sinks: Linker<Guest>,
    cache: Option<CodeCache>,
    /// Held while a module compiles: one at a time, and never the same one twice.
    loaded: Mutex<HashMap<[u8; 32], Weak<Compiled>>>,
}

impl Host {
    /// Starts the workers and opens the code cache.
    pub fn new(options: HostOptions) -> Result<Self, Error> {
        let engine = engine()?;
        let failed = |error: std::io::Error| Error::Host(error.to_string());
        let of_ticker = engine.clone();
        let ticker = Ticker::start(options.tick, move || of_ticker.increment_epoch()).map_err(failed)?;
        let cache = match &options.cache_dir {
            Some(dir) => Some(CodeCache::open(dir, &engine).map_err(|error| {
                Error::Host(format!("the code cache {} cannot be used: {error}", dir.display()))
            })?),
            None => None,
        };
        let shared = Shared {
            transforms: linker(&engine, Kind::Transform)?,
            sinks: linker(&engine, Kind::Sink)?,
            workers: Workers::start(options.workers).map_err(failed)?,
            ticker: Arc::new(ticker),
            slots: Arc::new(Semaphore::new(options.max_live_instances)),
            engine,
            options,
            cache,
            loaded: Mutex::default(),
        };
        Ok(Host { shared: Arc::new(shared) })
    }

    /// Says what a module is, without compiling it, or why Tidemill cannot run it. For uploads; [`Host::load`] finds
    /// what is left to find.
    pub fn inspect(&self, module: &[u8]) -> Result<ModuleInfo, Error> {
        inspect(module, self.shared.options.max_module_bytes)
    }

    /// Compiles a module, or finds it in memory or in the cache. The bytes must have this SHA-256.
    pub async fn load(&self, sha256: [u8; 32], module: Bytes) -> Result<Module, Error> {
        let mut loaded = self.shared.loaded.lock().await;
        if let Some(inner) = loaded.get(&sha256).and_then(Weak::upgrade) {
            return Ok(Module { inner, host: Arc::clone(&self.shared) });
        }
        let shared = Arc::clone(&self.shared);
        let compiling = tokio::task::spawn_blocking(move || shared.compile(&sha256, &module));
        let compiled = compiling.await.map_err(|error| Error::Host(format!("compiling: {error}")))??;
        let inner = Arc::new(compiled);
        loaded.retain(|_, module| module.strong_count() > 0);
        loaded.insert(sha256, Arc::downgrade(&inner));
        Ok(Module { inner, host: Arc::clone(&self.shared) })
    }

    /// How many instances are in memory.
    pub fn live_instances(&self) -> usize {
        self.shared.options.max_live_instances.saturating_sub(self.shared.slots.available_permits())
    }
}

impl Shared {
    fn compile(&self, sha256: &[u8; 32], module: &[u8]) -> Result<Compiled, Error> {
        if *sha256 != <[u8; 32]>::from(Sha256::digest(module)) {
            return Err(Error::Module("the module's bytes are not those that were uploaded".to_owned()));
        }
        let info = inspect(module, self.options.max_module_bytes)?;
        let cached = self.cache.as_ref().and_then(|cache| cache.load(&self.engine, sha256));
        let component = match cached {
            Some(component) => component,
            None => self.compile_and_keep(sha256, module)?,
        };
        let linker = match info.kind {
            Kind::Transform => &self.transforms,
            Kind::Sink => &self.sinks,
        };
        Compiled::link(&component, linker, info.kind, &info.abi)
    }

    fn compile_and_keep(&self, sha256: &[u8; 32], module: &[u8]) -> Result<Component, Error> {
        let component = Component::new(&self.engine, to_component(module)?)
            .map_err(|error| Error::Module(format!("the module cannot be compiled: {error:#}")))?;
        if let Some(Err(error)) = self.cache.as_ref().map(|cache| cache.store(&component, sha256)) {
            tracing::warn!(%error, "compiled code was not kept; it will be compiled again after a restart");
        }
        Ok(component)
    }
}

/// The threads that guests run on: as many as there are CPUs, however many calls are under way. A guest that computes
/// gives way at each epoch tick, one that waits for HTTP holds no thread.
pub(crate) struct Workers(Option<Runtime>);

impl Workers {
    fn start(count: Option<usize>) -> std::io::Result<Self> {
        let available = || std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(count.unwrap_or_else(available).max(1))
            .thread_name("function")
            .enable_all()
            // Each poll of a busy guest takes a whole tick, so sockets are looked at after every few.
            .event_interval(2)
            .build()?;
        Ok(Workers(Some(runtime)))
    }

    pub(crate) fn handle(&self) -> Option<&Handle> {
        self.0.as_ref().map(Runtime::handle)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // A runtime must not be waited for on another one's threads, which is where hosts are mostly dropped.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
