//! The object store behind a URL.

use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, WriteMultipart};
use tidemill_archive_format::ObjectSummary;
use tokio::io::AsyncReadExt;

use crate::error::Error;
use crate::local_files;
use crate::page_cache::PageCache;

/// Files up to this size go up in one conditional request; larger ones in parts.
const SINGLE_PUT_BYTES: u64 = 16 << 20;
/// Size of an upload's parts.
const PART_BYTES: usize = 8 << 20;
/// Parts on their way at the same time.
const PARTS_IN_FLIGHT: usize = 4;

/// A bucket or a folder.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    store: Arc<dyn ObjectStore>,
    folder: Option<Folder>,
}

#[derive(Clone, Debug)]
struct Folder {
    path: PathBuf,
    page_cache: Arc<PageCache>,
}

/// Length and checksum of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    /// Length in bytes.
    pub(crate) length_bytes: u64,
    /// CRC-32C of the whole.
    pub(crate) crc32c: u32,
}

impl From<&ObjectSummary> for Measure {
    fn from(summary: &ObjectSummary) -> Measure {
        Measure { length_bytes: summary.length_bytes, crc32c: summary.crc32c }
    }
}

impl Measure {
    /// Goes on over what comes next.
    fn add(&mut self, bytes: &[u8]) {
        self.length_bytes += bytes.len() as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, bytes);
    }
}

impl Backend {
    /// A store made elsewhere, such as one in memory.
    pub(crate) fn of_store(store: Arc<dyn ObjectStore>) -> Self {
        Backend { store, folder: None }
    }

    /// The store that a URL names: `file:///…`, `s3://bucket/prefix`, `gs://…` or `az://…`. Credentials
    /// and endpoints come from the environment, in the variables each vendor's tools use. A folder
    /// keeps `page_cache_bytes` of its newest objects in memory.
    pub(crate) fn of_url(url: &str, page_cache_bytes: u64) -> Result<Self, Error> {
        let bad = |reason: String| Error::Configuration { url: url.to_owned(), reason };
        let vendor = |error: object_store::Error| bad(error.to_string());
        let (scheme, rest) = url.split_once("://").ok_or_else(|| bad("it has no scheme".to_owned()))?;
        let store: Arc<dyn ObjectStore> = match scheme {
            "file" => return Self::of_folder(url, rest, page_cache_bytes),
            "s3" => Arc::new(AmazonS3Builder::from_env().with_url(url).build().map_err(vendor)?),
            "gs" => Arc::new(GoogleCloudStorageBuilder::from_env().with_url(url).build().map_err(vendor)?),
            "az" => Arc::new(MicrosoftAzureBuilder::from_env().with_url(url).build().map_err(vendor)?),
            other => return Err(bad(format!("the scheme {other} is none of file, s3, gs, az"))),
        };
        let (_bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = Path::parse(prefix.trim_matches('/')).map_err(|error| bad(error.to_string()))?;
        if prefix.as_ref().is_empty() {
            return Ok(Self::of_store(store));
        }
        Ok(Self::of_store(Arc::new(PrefixStore::new(store, prefix))))
    }

    fn of_folder(url: &str, path: &str, page_cache_bytes: u64) -> Result<Self, Error> {
        let bad = |reason: String| Error::Configuration { url: url.to_owned(), reason };
        let path = PathBuf::from(path);
        if !path.is_absolute() {
            return Err(bad("a file URL needs an absolute path: file:///…".to_owned()));
        }
        local_files::create_folder(&path).map_err(|error| bad(error.to_string()))?;
        let path = path.canonicalize().map_err(|error| bad(error.to_string()))?;
        let store = LocalFileSystem::new_with_prefix(&path).map_err(|error| bad(error.to_string()))?;
        let page_cache = Arc::new(PageCache::new(page_cache_bytes));
        Ok(Backend { store: Arc::new(store), folder: Some(Folder { path, page_cache }) })
    }

    /// The store.
    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The folder, if the store is one.
    pub(crate) fn folder(&self) -> Option<&FilePath> {
        self.folder.as_ref().map(|folder| folder.path.as_path())
    }

    /// Stores a small object that must not exist yet; durable when this returns.
    pub(crate) async fn put_new(&self, path: &str, bytes: Bytes) -> Result<(), Error> {
        let location = location(path)?;
        if let Some(folder) = self.folder() {
            let (folder, path) = (folder.to_owned(), location.to_string());
            return blocking(move || local_files::put_new(&folder, &path, &bytes)).await;
        }
        let options = PutOptions::from(PutMode::Create);
        let put = self.store.put_opts(&location, PutPayload::from(bytes), options).await;
        put.map(|_| ()).map_err(|error| Error::store("upload", path, error))
    }

    /// Moves a local file to a name that must not exist yet; durable when this returns. The local
    /// file is gone afterwards. It has to be as long as was written, and what is sent elsewhere has to
    /// have the checksum of that.
    pub(crate) async fn put_new_file(
        &self,
        path: &str,
        local: &FilePath,
        written: &Measure,
    ) -> Result<(), Error> {
        let location = location(path)?;
        let length = tokio::fs::metadata(local).await.map_err(|error| io("read", local, error))?.len();
        if length != written.length_bytes {
            return Err(changed(path));
        }
        if let Some(folder) = &self.folder {
            let (folder, path, local) = (folder.clone(), location.to_string(), local.to_owned());
            return blocking(move || {
                let object = local_files::move_new(&folder.path, &path, &local)?;
                folder.page_cache.written(object, length);
                Ok(())
            })
            .await;
        }
        if length <= SINGLE_PUT_BYTES {
            let bytes = tokio::fs::read(local).await.map_err(|error| io("read", local, error))?;
            let mut sent = Measure::default();
            sent.add(&bytes);
            if sent != *written {
                return Err(changed(path));
            }
            self.put_new(path, Bytes::from(bytes)).await?;
        } else {
            self.put_parts(path, &location, local, written).await?;
        }
        tokio::fs::remove_file(local).await.map_err(|error| io("removal", local, error))
    }

    /// Uploads in parts. Stores have no conditional form of this; that nothing is replaced rests on
    /// the random part of the name, and on looking first.
    async fn put_parts(
        &self,
        path: &str,
        location: &Path,
        local: &FilePath,
        written: &Measure,
    ) -> Result<(), Error> {
        let failed = |error| Error::store("upload", path, error);
        match self.store.head(location).await {
            Ok(_) => return Err(Error::AlreadyExists(path.to_owned())),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
        let mut file = tokio::fs::File::open(local).await.map_err(|error| io("read", local, error))?;
        let upload = self.store.put_multipart(location).await.map_err(failed)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let error = match send_parts(&mut file, &mut upload).await {
            Ok(sent) if sent == *written => return upload.finish().await.map(|_| ()).map_err(failed),
            Ok(_) => changed(path),
            Err(error) => error.into_error(path, local),
        };
        // The parts are collected by the store's own rules if this fails too.
        let _ = upload.abort().await;
        Err(error)
    }

    /// Reads some ranges of an object past all caches.
    pub(crate) async fn get_ranges(&self, path: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, Error> {
        let location = location(path)?;
        if let Some(folder) = self.folder() {
            let (file, path, ranges) = (folder.join(location.as_ref()), path.to_owned(), ranges.to_vec());
            return blocking(move || local_files::read_ranges(&file, &path, &ranges)).await;
        }
        let fetched = futures::stream::iter(ranges.iter().cloned())
            .map(|range| self.store.get_range(&location, range))
            .buffered(PARTS_IN_FLIGHT * 2)
            .try_collect::<Vec<Bytes>>()
            .await
            .map_err(|error| Error::store("read", path, error))?;
        for (bytes, range) in fetched.iter().zip(ranges) {
            if bytes.len() as u64 != range.end - range.start {
                let reason = format!("it ends before byte {}", range.end);
                return Err(Error::Corrupt { path: path.to_owned(), reason });
            }
        }
        Ok(fetched)
    }

    /// CRC-32C and length of a whole object, read past all caches.
    pub(crate) async fn measure(&self, path: &str) -> Result<Measure, Error> {
        let failed = |error| Error::store("read", path, error);
        let mut stream = self.store.get(&location(path)?).await.map_err(failed)?.into_stream();
        let mut measured = Measure::default();
        while let Some(bytes) = stream.try_next().await.map_err(failed)? {
            measured.add(&bytes);
        }
        Ok(measured)
    }
}

/// Why an upload in parts stopped.
enum PartError {
    File(std::io::Error),
    Store(object_store::Error),
}

impl PartError {
    fn into_error(self, path: &str, local: &FilePath) -> Error {
        match self {
            PartError::File(error) => io("read", local, error),
            PartError::Store(error) => Error::store("upload", path, error),
        }
    }
}

/// Sends the whole file and tells what was in it.
async fn send_parts(file: &mut tokio::fs::File, upload: &mut WriteMultipart) -> Result<Measure, PartError> {
    let mut sent = Measure::default();
    loop {
        let mut part = Vec::with_capacity(PART_BYTES);
        let read = file.take(PART_BYTES as u64).read_to_end(&mut part).await.map_err(PartError::File)?;
        if read == 0 {
            return Ok(sent);
        }
        sent.add(&part);
        upload.wait_for_capacity(PARTS_IN_FLIGHT).await.map_err(PartError::Store)?;
        upload.put(Bytes::from(part));
    }
}

/// Checks a path.
pub(crate) fn location(path: &str) -> Result<Path, Error> {
    Path::parse(path).map_err(|error| Error::Corrupt { path: path.to_owned(), reason: error.to_string() })
}

fn changed(path: &str) -> Error {
    let reason = "the local file is not what was written into it".to_owned();
    Error::Corrupt { path: path.to_owned(), reason }
}

fn io(operation: &'static str, path: &FilePath, error: std::io::Error) -> Error {
    Error::io(operation, path.display().to_string(), error)
}

/// Runs file work off the network threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::io("background work", "", std::io::Error::other(error))),
    }
}
