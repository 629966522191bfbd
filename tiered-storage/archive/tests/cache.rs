//! The local cache of remote objects: bounded, shared, distrusted.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod suite;

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path as StorePath,
};
use tidemill_archive::{Archive, ArchiveOptions, Codec, Error, ObjectRef};
use tidemill_records::RecordBatch;
use uuid::Uuid;

const MIB: u64 = 1 << 20;

/// A store that counts and delays reads.
#[derive(Debug, Default)]
struct Counting {
    inner: InMemory,
    reads: Arc<AtomicU64>,
}

impl std::fmt::Display for Counting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counting")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Counting {
    async fn put_opts(
        &self,
        location: &StorePath,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }
    async fn put_multipart_opts(
        &self,
        location: &StorePath,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }
    async fn get_opts(&self, location: &StorePath, options: GetOptions) -> Result<GetResult> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.inner.get_opts(location, options).await
    }
    async fn get_ranges(&self, location: &StorePath, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }
    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<StorePath>>,
    ) -> BoxStream<'static, Result<StorePath>> {
        self.inner.delete_stream(locations)
    }
    fn list(&self, prefix: Option<&StorePath>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }
    async fn list_with_delimiter(&self, prefix: Option<&StorePath>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &StorePath, to: &StorePath, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

struct Fixture {
    cache: tempfile::TempDir,
    store: Arc<Counting>,
    object: ObjectRef,
    batches: Vec<RecordBatch>,
}

impl Fixture {
    /// An object of some 5 MB.
    async fn new() -> Self {
        let cache = tempfile::tempdir().unwrap();
        let store = Arc::new(Counting::default());
        let batches = suite::batches(500, 1000);
        let archive = open(&store, cache.path(), 64 * MIB).await;
        let object = suite::upload(&archive, Uuid::new_v4(), &batches).await;
        Fixture { cache, store, object, batches }
    }

    async fn archive(&self, cache_bytes: u64) -> Archive {
        open(&self.store, self.cache.path(), cache_bytes).await
    }

    fn reads(&self) -> u64 {
        self.store.reads.swap(0, Ordering::SeqCst)
    }

    fn files(&self) -> Vec<fs::DirEntry> {
        fs::read_dir(self.cache.path()).unwrap().map(|entry| entry.unwrap()).collect()
    }

    async fn read_all(&self, archive: &Archive) {
        let (mut offset, mut read) = (0, Vec::new());
        while offset < 5000 {
            let next = archive.read(&self.object, offset, 1 << 20, Codec::AsProduced).await.unwrap();
            offset = next.next_offset;
            read.extend(next.batches);
        }
        assert_eq!(read, self.batches);
    }
}

async fn open(store: &Arc<Counting>, cache: &Path, cache_bytes: u64) -> Archive {
    let options = ArchiveOptions { cache_bytes, ..ArchiveOptions::new("memory:", cache) };
    Archive::with_store(Arc::clone(store) as Arc<dyn ObjectStore>, options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_extent_is_fetched_once_however_many_ask() {
    let fixture = Fixture::new().await;
    let archive = fixture.archive(64 * MIB).await;
    fixture.reads();
    futures::future::join_all((0..8).map(|_| fixture.read_all(&archive))).await;
    let extents = fixture.object.length_bytes.div_ceil(MIB);
    assert_eq!(fixture.reads(), extents);
    // A new process finds what the last one left, and leaves out what is not whole.
    fs::write(fixture.cache.path().join("x.tmp"), b"partial").unwrap();
    let again = fixture.archive(64 * MIB).await;
    fixture.read_all(&again).await;
    assert_eq!(fixture.reads(), 0);
    assert_eq!(fixture.files().len() as u64, extents);
    assert_eq!(again.stats().cache_bytes, fixture.object.length_bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_stays_within_its_bound() {
    let fixture = Fixture::new().await;
    for cache_bytes in [2 * MIB, 0] {
        let archive = fixture.archive(cache_bytes).await;
        fixture.read_all(&archive).await;
        let used: u64 = fixture.files().iter().map(|file| file.metadata().unwrap().len()).sum();
        assert!(used <= cache_bytes, "{used} bytes");
        assert_eq!(archive.stats().cache_bytes, used);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_cache_files_are_fetched_again() {
    let fixture = Fixture::new().await;
    fixture.read_all(&fixture.archive(64 * MIB).await).await;
    let damage: [fn(&mut Vec<u8>); 3] = [
        |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 0x55),
        |bytes| bytes.truncate(bytes.len() / 2),
        Vec::clear,
    ];
    for damage in damage {
        for file in fixture.files() {
            let mut bytes = fs::read(file.path()).unwrap();
            damage(&mut bytes);
            fs::write(file.path(), bytes).unwrap();
        }
        fixture.reads();
        let archive = fixture.archive(64 * MIB).await;
        fixture.read_all(&archive).await;
        assert!(fixture.reads() > 0);
        fixture.read_all(&archive).await;
        assert_eq!(fixture.reads(), 0);
    }
    let archive = fixture.archive(64 * MIB).await;
    fixture.files().iter().for_each(|file| fs::remove_file(file.path()).unwrap());
    fixture.read_all(&archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_object_is_an_error_that_names_it() {
    let fixture = Fixture::new().await;
    let archive = fixture.archive(0).await;
    let wrong = ObjectRef { crc32c: fixture.object.crc32c ^ 1, ..fixture.object.clone() };
    match archive.read(&wrong, 0, 1, Codec::AsProduced).await {
        Err(Error::Corrupt { path, .. }) => assert_eq!(path, wrong.path),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn futures_may_be_spawned() {
    let fixture = Fixture::new().await;
    let archive = fixture.archive(MIB).await;
    let object = fixture.object.clone();
    let read = tokio::spawn(async move {
        archive.verify(&object).await.unwrap();
        archive.offset_for_timestamp(&object, 0, 5).await.unwrap();
        archive.read(&object, 0, 1, Codec::AsProduced).await.unwrap().batches.len()
    });
    assert_eq!(read.await.unwrap(), 1);
}
