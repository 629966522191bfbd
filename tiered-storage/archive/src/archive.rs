//! The archive as the broker sees it.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tidemill_archive_format::{
    AbortedTransaction, Codec, Decoded, Error as FormatError, Footer, ObjectSummary, Plan, first_at_or_after,
};
use tidemill_records::RecordBatch;
use uuid::Uuid;

use crate::backend::{Backend, blocking, location};
use crate::error::Error;
use crate::extent_cache::ExtentCache;
use crate::layout::CLAIM_PATH;
use crate::object_file::ObjectFile;
use crate::single_flight::SingleFlight;
use crate::weighted_lru::WeightedLru;

/// Version of the claim object.
const CLAIM_VERSION: u32 = 1;
/// A claim is a few dozen bytes.
const MAX_CLAIM_BYTES: u64 = 64 << 10;

/// Where the archive is, and how much of it may be kept near.
#[derive(Clone, Debug)]
pub struct ArchiveOptions {
    /// `file:///…`, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.
    pub url: String,
    /// Local folder for pieces of remote objects. Not used where the store is a local folder.
    pub cache_dir: PathBuf,
    /// Bound of that folder.
    pub cache_bytes: u64,
    /// Bound of the parsed footers in memory.
    pub footer_cache_bytes: u64,
    /// Bytes of the newest objects that stay in the operating system's page cache, where the store is
    /// a local folder.
    pub page_cache_bytes: u64,
}

impl ArchiveOptions {
    /// Options for this URL, with a cache of 1 GiB on disk, 64 MiB of footers in memory, and 512 MiB
    /// of objects in the page cache.
    pub fn new(url: impl Into<String>, cache_dir: impl Into<PathBuf>) -> Self {
        ArchiveOptions {
            url: url.into(),
            cache_dir: cache_dir.into(),
            cache_bytes: 1 << 30,
            footer_cache_bytes: 64 << 20,
            page_cache_bytes: 512 << 20,
        }
    }
}

/// What a manifest entry says that is needed to read the object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectRef {
    /// Path below the prefix.
    pub path: String,
    /// Length in bytes.
    pub length_bytes: u64,
    /// CRC-32C of the whole object.
    pub crc32c: u32,
    /// Length of the part to read first.
    pub footer_bytes: u32,
}

/// Batches read from an object.
#[derive(Clone, Debug, Default)]
pub struct ArchivedRead {
    /// Whole batches in offset order; empty if the object has nothing at or after the offset.
    pub batches: Vec<RecordBatch>,
    /// Aborted transactions with data among them.
    pub aborted: Vec<AbortedTransaction>,
    /// Where the next read begins.
    pub next_offset: i64,
}

impl From<Decoded> for ArchivedRead {
    fn from(decoded: Decoded) -> Self {
        ArchivedRead { batches: decoded.batches, aborted: decoded.aborted, next_offset: decoded.next_offset }
    }
}

/// Figures since the archive was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArchiveStats {
    /// Extents read from the local cache.
    pub cache_hits: u64,
    /// Extents fetched from the bucket.
    pub cache_misses: u64,
    /// Bytes fetched from the bucket into the cache.
    pub fetched_bytes: u64,
    /// Bytes in the local cache now.
    pub cache_bytes: u64,
    /// Bytes of parsed footers in memory now.
    pub footer_bytes: u64,
}

/// A handle on the archive; clones share everything.
#[derive(Clone)]
pub struct Archive {
    shared: Arc<Shared>,
}

struct Shared {
    backend: Backend,
    cache: Option<ExtentCache>,
    footers: Mutex<WeightedLru<ObjectRef, Arc<Footer>>>,
    footer_flights: SingleFlight<ObjectRef, Arc<Footer>>,
}

#[derive(Serialize, Deserialize)]
struct Claim {
    version: u32,
    cluster_id: Uuid,
}

impl Archive {
    /// Opens the archive at a URL. Nothing is sent to a remote store yet.
    pub async fn open(options: ArchiveOptions) -> Result<Self, Error> {
        blocking(move || {
            let backend = Backend::of_url(&options.url, options.page_cache_bytes)?;
            Self::assemble(backend, &options)
        })
        .await
    }

    /// Opens the archive in a store made elsewhere, such as one in memory; the URL is ignored.
    pub async fn with_store(store: Arc<dyn ObjectStore>, options: ArchiveOptions) -> Result<Self, Error> {
        blocking(move || Self::assemble(Backend::of_store(store), &options)).await
    }

    fn assemble(backend: Backend, options: &ArchiveOptions) -> Result<Self, Error> {
        let cache = match backend.folder() {
            Some(_) => None,
            None => Some(ExtentCache::open(&options.cache_dir, options.cache_bytes)?),
        };
        let shared = Shared {
            backend,
            cache,
            footers: Mutex::new(WeightedLru::new(options.footer_cache_bytes)),
            footer_flights: SingleFlight::new(),
        };
        Ok(Archive { shared: Arc::new(shared) })
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.shared.backend
    }

    /// The folder that the store is, if it is a local one.
    pub fn local_folder(&self) -> Option<&Path> {
        self.shared.backend.folder()
    }

    /// Claims the prefix for a cluster, or finds that it has it already. Another cluster's claim is
    /// [`Error::ForeignCluster`].
    pub async fn claim(&self, cluster_id: Uuid) -> Result<(), Error> {
        let claim = Claim { version: CLAIM_VERSION, cluster_id };
        let text = serde_json::to_vec_pretty(&claim).map_err(|error| corrupt(CLAIM_PATH, error))?;
        match self.backend().put_new(CLAIM_PATH, Bytes::from(text)).await {
            Err(Error::AlreadyExists(_)) => {}
            result => return result,
        }
        let found: Claim = serde_json::from_slice(&self.get_small(CLAIM_PATH, MAX_CLAIM_BYTES).await?)
            .map_err(|error| corrupt(CLAIM_PATH, error))?;
        if found.version > CLAIM_VERSION {
            return Err(corrupt(CLAIM_PATH, format!("its version is {}", found.version)));
        }
        if found.cluster_id != cluster_id {
            return Err(Error::ForeignCluster { owner: found.cluster_id, ours: cluster_id });
        }
        Ok(())
    }

    /// Creates a local file, to write an object into and then [`upload`](Archive::upload) it.
    pub fn create_file(&self, local: &Path) -> io::Result<ObjectFile> {
        ObjectFile::create(local, self.local_folder().is_some())
    }

    /// Moves a finished local file, into which this object was written, to a path that must not exist yet.
    /// Durable when this returns; the local file is gone then. A file that is not what was written is
    /// [`Error::Corrupt`].
    pub async fn upload(&self, path: &str, local: &Path, written: &ObjectSummary) -> Result<(), Error> {
        self.backend().put_new_file(path, local, &written.into()).await
    }

    /// Reads an object of at most `limit` bytes whole, past all caches.
    pub(crate) async fn get_small(&self, path: &str, limit: u64) -> Result<Bytes, Error> {
        let failed = |error| Error::store("read", path, error);
        let found = self.backend().store().get(&location(path)?).await.map_err(failed)?;
        let bytes = found.meta.size;
        if bytes > limit {
            return Err(Error::TooLarge { path: path.to_owned(), bytes, limit });
        }
        found.bytes().await.map_err(failed)
    }

    /// Reads whole batches from the one that holds `offset`, or the first one after it, up to
    /// `max_bytes` but at least one.
    pub async fn read(
        &self,
        object: &ObjectRef,
        offset: i64,
        max_bytes: usize,
        codec: Codec,
    ) -> Result<ArchivedRead, Error> {
        let footer = self.footer(object).await?;
        let plan = footer.plan(offset, max_bytes).map_err(|error| Error::format(&object.path, &error))?;
        match plan {
            Some(plan) => Ok(self.execute(object, &footer, plan, codec).await?.into()),
            None => Ok(ArchivedRead { next_offset: offset, ..ArchivedRead::default() }),
        }
    }

    /// The first record at or after `offset` whose timestamp is `timestamp_ms` or later: its offset
    /// and timestamp.
    pub async fn offset_for_timestamp(
        &self,
        object: &ObjectRef,
        offset: i64,
        timestamp_ms: i64,
    ) -> Result<Option<(i64, i64)>, Error> {
        let failed = |error| Error::format(&object.path, &error);
        let footer = self.footer(object).await?;
        let mut from = offset;
        while let Some(plan) = footer.plan_timestamp(from, timestamp_ms).map_err(failed)? {
            from = plan.next_offset();
            let codec = Codec::Fixed(tidemill_records::Compression::None);
            for batch in self.execute(object, &footer, plan, codec).await?.batches {
                if let Some(found) = first_at_or_after(&batch, offset, timestamp_ms).map_err(failed)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// The parsed footer of an object, checked against its manifest entry.
    pub async fn footer(&self, object: &ObjectRef) -> Result<Arc<Footer>, Error> {
        if let Some(footer) = self.shared.footers.lock().get(object) {
            return Ok(footer);
        }
        self.shared.footer_flights.get(object.clone(), self.load_footer(object)).await
    }

    async fn load_footer(&self, object: &ObjectRef) -> Result<Arc<Footer>, Error> {
        let start = object.length_bytes.saturating_sub(u64::from(object.footer_bytes));
        let tail = start..object.length_bytes;
        let ranges = std::slice::from_ref(&tail);
        let (length_bytes, crc32c) = (object.length_bytes, object.crc32c);
        let parse = move |bytes: Vec<Bytes>| {
            let tail = bytes.into_iter().next().unwrap_or_default();
            Footer::parse(tail, length_bytes, Some(crc32c))
        };
        let footer = self.twice(object, ranges, parse).await?;
        let weight = footer.memory_bytes() as u64;
        let footer = Arc::new(footer);
        self.shared.footers.lock().insert(object.clone(), Arc::clone(&footer), weight);
        Ok(footer)
    }

    async fn execute(
        &self,
        object: &ObjectRef,
        footer: &Arc<Footer>,
        plan: Plan,
        codec: Codec,
    ) -> Result<Decoded, Error> {
        let (footer, plan) = (Arc::clone(footer), Arc::new(plan));
        let decoded = Arc::clone(&plan);
        self.twice(object, plan.ranges(), move |bytes| footer.decode(&decoded, bytes, codec)).await
    }

    /// Reads ranges and makes something of them, off the network threads. If that fails it may be
    /// the cache that is damaged: the ranges are fetched anew, once.
    async fn twice<T: Send + 'static>(
        &self,
        object: &ObjectRef,
        ranges: &[Range<u64>],
        make: impl Fn(Vec<Bytes>) -> Result<T, FormatError> + Clone + Send + 'static,
    ) -> Result<T, Error> {
        let again = make.clone();
        let bytes = self.ranges(object, ranges).await?;
        let first = blocking(move || Ok(make(bytes))).await?;
        let (Err(error), Some(cache)) = (&first, &self.shared.cache) else {
            return first.map_err(|error| Error::format(&object.path, &error));
        };
        tracing::warn!(path = %object.path, %error, "archived data is damaged, perhaps in the cache: fetching it again");
        cache.evict(object, ranges).await;
        let bytes = self.ranges(object, ranges).await?;
        let second = blocking(move || Ok(again(bytes))).await?;
        second.map_err(|error| Error::format(&object.path, &error))
    }

    async fn ranges(&self, object: &ObjectRef, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, Error> {
        match &self.shared.cache {
            Some(cache) => cache.read(&self.shared.backend, object, ranges).await,
            None => self.shared.backend.get_ranges(&object.path, ranges).await,
        }
    }

    /// Figures for metrics.
    pub fn stats(&self) -> ArchiveStats {
        let mut stats =
            ArchiveStats { footer_bytes: self.shared.footers.lock().weight(), ..ArchiveStats::default() };
        if let Some(cache) = &self.shared.cache {
            stats.cache_hits = cache.counters.hits.load(Ordering::Relaxed);
            stats.cache_misses = cache.counters.misses.load(Ordering::Relaxed);
            stats.fetched_bytes = cache.counters.fetched_bytes.load(Ordering::Relaxed);
            stats.cache_bytes = cache.disk_bytes();
        }
        stats
    }
}

fn corrupt(path: &str, reason: impl std::fmt::Display) -> Error {
    Error::Corrupt { path: path.to_owned(), reason: reason.to_string() }
}
