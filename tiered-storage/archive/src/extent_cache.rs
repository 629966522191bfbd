//! A bounded cache of pieces of remote objects on the local disk.
//!
//! Objects are cut into extents of 1 MiB. An extent is one file, `<object key>-<index>.extent`, the
//! key being a hash of the object's path, length and checksum. Files are written beside their name
//! and renamed, but not synced: whatever a crash leaves is found out when the blocks inside are
//! checked against the checksums in the object's footer, and fetched again. At the start everything
//! that is not an extent is removed and the rest counts as cached.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::ObjectRef;
use crate::backend::{Backend, blocking};
use crate::error::Error;
use crate::single_flight::SingleFlight;
use crate::weighted_lru::WeightedLru;

/// Size of an extent.
pub(crate) const EXTENT_BYTES: u64 = 1 << 20;
/// Extents fetched at the same time for one read.
const FETCHES_IN_FLIGHT: usize = 8;
const SUFFIX: &str = ".extent";

/// An object's part of the file names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ObjectKey([u8; 16]);

impl ObjectKey {
    fn of(object: &ObjectRef) -> Self {
        let text = format!("{}|{}|{}", object.path, object.length_bytes, object.crc32c);
        let mut key = [0; 16];
        key.iter_mut().zip(Sha256::digest(text)).for_each(|(to, from)| *to = from);
        ObjectKey(key)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ExtentKey {
    object: ObjectKey,
    index: u64,
}

impl ExtentKey {
    fn file_name(self) -> String {
        format!("{:032x}-{}{SUFFIX}", u128::from_be_bytes(self.object.0), self.index)
    }

    fn parse(name: &str) -> Option<Self> {
        let (object, index) = name.strip_suffix(SUFFIX)?.split_once('-')?;
        let object = ObjectKey(u128::from_str_radix(object, 16).ok()?.to_be_bytes());
        let key = ExtentKey { object, index: index.parse().ok()? };
        (key.file_name() == name).then_some(key)
    }
}

/// How reads were answered.
#[derive(Debug, Default)]
pub(crate) struct CacheCounters {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) fetched_bytes: AtomicU64,
}

/// See the module.
pub(crate) struct ExtentCache {
    folder: PathBuf,
    capacity: u64,
    files: Arc<Mutex<WeightedLru<ExtentKey, u64>>>,
    flights: SingleFlight<ExtentKey, Bytes>,
    pub(crate) counters: CacheCounters,
}

impl ExtentCache {
    /// Opens a cache, creating its folder and taking over what an earlier run left. Blocks.
    pub(crate) fn open(folder: &Path, capacity: u64) -> Result<Self, Error> {
        let failed = |operation, error| Error::io(operation, folder.display().to_string(), error);
        fs::create_dir_all(folder).map_err(|error| failed("creation", error))?;
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| failed("listing", error))?.flatten() {
            let key = entry.file_name().to_str().and_then(ExtentKey::parse);
            let meta = entry.metadata().ok().filter(|meta| meta.is_file() && meta.len() <= EXTENT_BYTES);
            match (key, meta) {
                (Some(key), Some(meta)) => found.push((meta.modified().ok(), key, meta.len())),
                _ => remove_quietly(&entry.path()),
            }
        }
        found.sort_by_key(|(modified, ..)| *modified);
        let mut files = WeightedLru::new(capacity);
        for (_, key, len) in found {
            for evicted in files.insert(key, len, len) {
                remove_quietly(&folder.join(evicted.file_name()));
            }
        }
        Ok(ExtentCache {
            folder: folder.to_owned(),
            capacity,
            files: Arc::new(Mutex::new(files)),
            flights: SingleFlight::new(),
            counters: CacheCounters::default(),
        })
    }

    /// Bytes on disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.files.lock().weight()
    }

    /// Reads ranges of an object, from the cache where it has them.
    pub(crate) async fn read(
        &self,
        backend: &Backend,
        object: &ObjectRef,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>, Error> {
        let wanted: std::collections::BTreeSet<u64> = ranges.iter().flat_map(extents_of).collect();
        let key = ObjectKey::of(object);
        let extents: BTreeMap<u64, Bytes> = futures::stream::iter(wanted)
            .map(|index| async move {
                let extent = self.extent(backend, object, ExtentKey { object: key, index }).await?;
                Ok::<_, Error>((index, extent))
            })
            .buffered(FETCHES_IN_FLIGHT)
            .try_collect()
            .await?;
        let ended = |range: &Range<u64>| Error::Corrupt {
            path: object.path.clone(),
            reason: format!("it ends before byte {}", range.end),
        };
        ranges.iter().map(|range| assemble(&extents, range).ok_or_else(|| ended(range))).collect()
    }

    /// Forgets what is cached of these ranges, because it turned out to be damaged.
    pub(crate) async fn evict(&self, object: &ObjectRef, ranges: &[Range<u64>]) {
        let object = ObjectKey::of(object);
        let keys: Vec<ExtentKey> =
            ranges.iter().flat_map(extents_of).map(|index| ExtentKey { object, index }).collect();
        let paths: Vec<PathBuf> = {
            let mut files = self.files.lock();
            keys.iter().filter(|key| files.remove(key)).map(|key| self.path(*key)).collect()
        };
        // Nothing can fail here; the error type is that of other background work.
        let _ = blocking(move || {
            paths.iter().for_each(|path| remove_quietly(path));
            Ok(())
        })
        .await;
    }

    fn path(&self, key: ExtentKey) -> PathBuf {
        self.folder.join(key.file_name())
    }

    async fn extent(&self, backend: &Backend, object: &ObjectRef, key: ExtentKey) -> Result<Bytes, Error> {
        let start = key.index.saturating_mul(EXTENT_BYTES);
        let end = start.saturating_add(EXTENT_BYTES).min(object.length_bytes);
        self.flights
            .get(key, async {
                if let Some(bytes) = self.load(key, end.saturating_sub(start)).await {
                    self.counters.hits.fetch_add(1, Ordering::Relaxed);
                    return Ok(bytes);
                }
                self.counters.misses.fetch_add(1, Ordering::Relaxed);
                let fetched = backend.get_ranges(&object.path, std::slice::from_ref(&(start..end))).await?;
                let bytes = fetched.into_iter().next().unwrap_or_default();
                self.counters.fetched_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                self.store(key, bytes.clone()).await;
                Ok(bytes)
            })
            .await
    }

    /// The extent from disk, if it is there in its full length.
    async fn load(&self, key: ExtentKey, len: u64) -> Option<Bytes> {
        self.files.lock().get(&key)?;
        let path = self.path(key);
        let read = blocking(move || fs::read(&path).map_err(|error| Error::io("read", "", error))).await;
        match read {
            Ok(bytes) if bytes.len() as u64 == len => Some(Bytes::from(bytes)),
            _ => {
                self.files.lock().remove(&key);
                None
            }
        }
    }

    /// Keeps an extent. A disk that is full or broken makes reads slower, not impossible.
    async fn store(&self, key: ExtentKey, bytes: Bytes) {
        let len = bytes.len() as u64;
        if len > self.capacity {
            return;
        }
        let (path, folder, files) = (self.path(key), self.folder.clone(), Arc::clone(&self.files));
        let stored = blocking(move || {
            let staging = path.with_extension(format!("{:08x}.tmp", rand::random::<u32>()));
            let written = fs::write(&staging, &bytes).and_then(|()| fs::rename(&staging, &path));
            if let Err(error) = written {
                remove_quietly(&staging);
                return Err(Error::io("write", path.display().to_string(), error));
            }
            let evicted = files.lock().insert(key, len, len);
            evicted.iter().for_each(|key| remove_quietly(&folder.join(key.file_name())));
            Ok(())
        })
        .await;
        if let Err(error) = stored {
            tracing::warn!(%error, "archived data is not cached");
        }
    }
}

/// Removes a cache file. One that stays is overwritten or removed at the next start.
fn remove_quietly(path: &Path) {
    let _ = fs::remove_file(path);
}

fn extents_of(range: &Range<u64>) -> Range<u64> {
    range.start / EXTENT_BYTES..range.end.div_ceil(EXTENT_BYTES)
}

/// Puts a range together; without copying if one extent holds it.
fn assemble(extents: &BTreeMap<u64, Bytes>, range: &Range<u64>) -> Option<Bytes> {
    let slice = |index: u64| {
        let extent = extents.get(&index)?;
        let start = index * EXTENT_BYTES;
        let from = usize::try_from(range.start.saturating_sub(start)).ok()?;
        let to = usize::try_from(range.end - start).ok()?.min(EXTENT_BYTES as usize);
        (from <= to && to <= extent.len()).then(|| extent.slice(from..to))
    };
    let indices = extents_of(range);
    if indices.end - indices.start == 1 {
        return slice(indices.start);
    }
    let mut whole = BytesMut::with_capacity(usize::try_from(range.end - range.start).ok()?);
    for index in indices {
        whole.extend_from_slice(&slice(index)?);
    }
    Some(whole.freeze())
}
