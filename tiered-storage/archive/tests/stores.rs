//! The shared suite over a store in memory, a local folder, and whatever a script provides.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod suite;

use std::collections::HashSet;
use std::sync::Arc;

use object_store::memory::InMemory;
use tidemill_archive::{Archive, ArchiveOptions, topic_data_path};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn in_memory() {
    let cache = tempfile::tempdir().unwrap();
    let options = ArchiveOptions::new("memory:", cache.path());
    let archive = Archive::with_store(Arc::new(InMemory::new()), options).await.unwrap();
    suite::run(&archive).await;
    assert!(archive.stats().cache_hits > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn local_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("data/objects");
    let cache = folder.path().join("cache");
    let options = ArchiveOptions::new(format!("file://{}", store.display()), &cache);
    let archive = Archive::open(options).await.unwrap();
    suite::run(&archive).await;
    assert!(!cache.exists());
    assert_eq!(archive.local_folder(), Some(store.canonicalize().unwrap().as_path()));
}

/// A crash in the middle of an upload leaves a staging file: not an object, and swept up later.
#[tokio::test]
async fn staging_files_are_not_objects() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().display());
    let archive = Archive::open(ArchiveOptions::new(url, folder.path().join("cache"))).await.unwrap();
    let topic_id = Uuid::new_v4();
    let object = suite::upload(&archive, topic_id, &suite::batches(1, 10)).await;
    let staging = folder.path().join(format!("{}#17", object.path));
    std::fs::write(&staging, b"half").unwrap();
    let data = topic_data_path(suite::TOPIC, topic_id);
    assert_eq!(archive.list_objects(&data).await.unwrap().len(), 1);
    let live = HashSet::from([object.path]);
    for (grace_ms, exists) in [(60_000, true), (0, false)] {
        archive.collect_garbage(suite::TOPIC, topic_id, &live, grace_ms, 0).await.unwrap();
        assert_eq!(staging.exists(), exists);
    }
    assert_eq!(archive.list_objects(&data).await.unwrap().len(), 1);
}

/// Runs where `TIDEMILL_TEST_STORE_URL` names a bucket (`s3://bucket`), with credentials and endpoint
/// in the vendor's variables, as `scripts` do for MinIO. Uses a fresh prefix each time.
#[tokio::test(flavor = "multi_thread")]
async fn provided_store() {
    let Ok(url) = std::env::var("TIDEMILL_TEST_STORE_URL") else {
        return;
    };
    let cache = tempfile::tempdir().unwrap();
    let url = format!("{}/tidemill-test-{}", url.trim_end_matches('/'), Uuid::new_v4());
    let archive = Archive::open(ArchiveOptions::new(url, cache.path())).await.unwrap();
    suite::run(&archive).await;
}

#[tokio::test]
async fn refuses_urls_it_cannot_use() {
    let cache = tempfile::tempdir().unwrap();
    for url in ["", "bucket/prefix", "ftp://host/x", "file://relative/path", "s3://"] {
        let opened = Archive::open(ArchiveOptions::new(url, cache.path())).await;
        assert!(opened.is_err(), "{url}");
    }
}
