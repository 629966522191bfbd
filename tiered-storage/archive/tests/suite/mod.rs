//! What every kind of store has to do. Each function works in a prefix of its own.

#![allow(dead_code, reason = "each test uses its part of the suite")]

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tidemill_archive::{Archive, Codec, Error, ObjectRef, object_path, topic_data_path};
use tidemill_archive_format::{Disposition, ObjectFacts, ObjectSummary, ObjectWriter, WriterOptions};
use tidemill_records::{BatchBuilder, BatchFacts, Compression, RecordBatch};
use uuid::Uuid;

pub const TOPIC: &str = "flights";
const HOUR_MS: i64 = 3_600_000;
/// Later than any object's last modification.
const LATER_MS: i64 = 1 << 50;

/// Batches of ten records; offset `n` has timestamp `1000 n`. The values do not compress.
pub fn batches(count: i64, value_bytes: usize) -> Vec<RecordBatch> {
    let mut noise = 0x9e37_79b9_7f4a_7c15u64;
    let mut value = || -> Vec<u8> {
        let mut next = || {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise as u8
        };
        (0..value_bytes).map(|_| next()).collect()
    };
    let batch = |base: i64, value: &mut dyn FnMut() -> Vec<u8>| {
        let facts = BatchFacts { base_offset: base, base_timestamp: base * 1000, ..BatchFacts::default() };
        let mut builder = BatchBuilder::new(facts);
        for delta in 0..10 {
            builder.push(delta, i64::from(delta) * 1000, Some(b"key"), Some(&value()), &[(b"h", Some(b"1"))]);
        }
        builder.build(Compression::None).unwrap()
    };
    (0..count).map(|index| batch(index * 10, &mut value)).collect()
}

/// Seals batches into a local file.
pub fn seal(folder: &Path, batches: &[RecordBatch]) -> (PathBuf, ObjectSummary) {
    let path = folder.join(format!("{}.sealed", Uuid::new_v4()));
    let facts = ObjectFacts { topic: TOPIC.into(), topic_id: Uuid::from_u128(1), partition: 0 };
    let mut file = std::fs::File::create(&path).unwrap();
    let mut writer = ObjectWriter::new(facts, WriterOptions::default(), &mut file).unwrap();
    for batch in batches {
        writer.push(batch, Disposition::Committed).unwrap();
    }
    (path, writer.finish().unwrap())
}

pub fn reference(path: &str, summary: &ObjectSummary) -> ObjectRef {
    ObjectRef {
        path: path.to_owned(),
        length_bytes: summary.length_bytes,
        crc32c: summary.crc32c,
        footer_bytes: summary.footer_bytes,
    }
}

/// Seals and uploads.
pub async fn upload(archive: &Archive, topic_id: Uuid, batches: &[RecordBatch]) -> ObjectRef {
    let folder = tempfile::tempdir().unwrap();
    let (file, summary) = seal(folder.path(), batches);
    let random = Uuid::new_v4().as_u128() as u64;
    let path = object_path(TOPIC, topic_id, 0, summary.base_offset, summary.last_offset, 1, random);
    archive.upload(&path, &file, &summary).await.unwrap();
    assert!(!file.exists());
    reference(&path, &summary)
}

/// The whole suite.
pub async fn run(archive: &Archive) {
    claims(archive).await;
    uploads_once_and_reads_everything(archive).await;
    finds_timestamps(archive).await;
    lists_and_collects(archive).await;
    keeps_modules(archive).await;
    verifies(archive).await;
}

async fn claims(archive: &Archive) {
    let (ours, theirs) = (Uuid::new_v4(), Uuid::new_v4());
    archive.claim(ours).await.unwrap();
    archive.claim(ours).await.unwrap();
    match archive.claim(theirs).await {
        Err(Error::ForeignCluster { owner, .. }) => assert_eq!(owner, ours),
        other => panic!("{other:?}"),
    }
}

async fn uploads_once_and_reads_everything(archive: &Archive) {
    let topic_id = Uuid::new_v4();
    // Some 20 MB: more than goes up in one request.
    let batches = batches(2000, 1000);
    let object = upload(archive, topic_id, &batches).await;
    let mut read = Vec::new();
    let mut offset = 0;
    loop {
        let next = archive.read(&object, offset, 1 << 20, Codec::AsProduced).await.unwrap();
        if next.batches.is_empty() {
            assert_eq!(next.next_offset, 20_000);
            break;
        }
        offset = next.next_offset;
        read.extend(next.batches);
    }
    assert_eq!(read, batches);
    let middle = archive.read(&object, 12_345, 1, Codec::Fixed(Compression::Lz4)).await.unwrap();
    assert_eq!((middle.batches.len(), middle.batches[0].base_offset()), (1, 12_340));
    assert_eq!(middle.batches[0].compression(), Compression::Lz4);

    for batches in [&batches[..3], &batches[..]] {
        let folder = tempfile::tempdir().unwrap();
        let (again, summary) = seal(folder.path(), batches);
        let refused = archive.upload(&object.path, &again, &summary).await;
        assert!(matches!(refused, Err(Error::AlreadyExists(_))), "{refused:?}");
        assert!(again.exists());
    }
    for batches in [&batches[..3], &batches[..]] {
        refuses_what_changed(archive, topic_id, batches).await;
    }
    archive.verify(&object).await.unwrap();
    let missing = ObjectRef { path: format!("{}x", object.path), ..object };
    assert!(matches!(archive.read(&missing, 0, 1, Codec::AsProduced).await, Err(Error::NotFound(_))));
}

/// A local file that is shorter than what was written, or, where it is sent elsewhere and so read, other bytes.
async fn refuses_what_changed(archive: &Archive, topic_id: Uuid, batches: &[RecordBatch]) {
    let folder = tempfile::tempdir().unwrap();
    let (file, written) = seal(folder.path(), batches);
    let path = object_path(TOPIC, topic_id, 0, 0, written.last_offset, 1, Uuid::new_v4().as_u128() as u64);
    let length_bytes = written.length_bytes + 1;
    let mut wrong = vec![ObjectSummary { length_bytes, ..written.clone() }];
    if archive.local_folder().is_none() {
        wrong.push(ObjectSummary { crc32c: !written.crc32c, ..written.clone() });
    }
    for wrong in wrong {
        let refused = archive.upload(&path, &file, &wrong).await;
        assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
        assert!(file.exists());
    }
    archive.upload(&path, &file, &written).await.unwrap();
}

async fn finds_timestamps(archive: &Archive) {
    let object = upload(archive, Uuid::new_v4(), &batches(20, 50)).await;
    let find = async |from, at| archive.offset_for_timestamp(&object, from, at).await.unwrap();
    assert_eq!(find(0, -5).await, Some((0, 0)));
    assert_eq!(find(0, 55_001).await, Some((56, 56_000)));
    assert_eq!(find(100, 55_001).await, Some((100, 100_000)));
    assert_eq!(find(0, 199_000).await, Some((199, 199_000)));
    assert_eq!(find(0, 199_001).await, None);
    assert_eq!(find(200, 0).await, None);
}

async fn lists_and_collects(archive: &Archive) {
    let topic_id = Uuid::new_v4();
    let live = upload(archive, topic_id, &batches(2, 50)).await;
    let superseded = upload(archive, topic_id, &batches(2, 50)).await;
    let other_topic = upload(archive, Uuid::new_v4(), &batches(2, 50)).await;
    assert!(archive.list_topics().await.unwrap().contains(&(TOPIC.to_owned(), topic_id)));
    let listed = archive.list_objects(&topic_data_path(TOPIC, topic_id)).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|object| object.length_bytes == live.length_bytes));

    let keep = HashSet::from([live.path.clone()]);
    let youngest = listed.iter().map(|object| object.last_modified_ms).max().unwrap();
    let early = archive.collect_garbage(TOPIC, topic_id, &keep, HOUR_MS, youngest).await.unwrap();
    assert_eq!((early.deleted.len(), early.young), (0, 1));
    let late = archive.collect_garbage(TOPIC, topic_id, &keep, HOUR_MS, LATER_MS).await.unwrap();
    assert_eq!((late.deleted, late.young), (vec![superseded.path.clone()], 0));
    archive.delete(&superseded.path).await.unwrap();
    archive.verify(&live).await.unwrap();
    archive.verify(&other_topic).await.unwrap();
    let none = HashSet::new();
    archive.collect_garbage(TOPIC, topic_id, &none, HOUR_MS, LATER_MS).await.unwrap();
    assert!(archive.list_objects(&topic_data_path(TOPIC, topic_id)).await.unwrap().is_empty());
}

async fn keeps_modules(archive: &Archive) {
    let module = Bytes::from_static(b"\0asm module");
    let sha256 = archive.put_module(module.clone()).await.unwrap();
    assert_eq!(archive.put_module(module.clone()).await.unwrap(), sha256);
    assert_eq!(archive.get_module(&sha256).await.unwrap(), module);
    assert!(matches!(archive.get_module(&"0".repeat(64)).await, Err(Error::NotFound(_))));
    assert!(matches!(archive.get_module("../tidemill-cluster").await, Err(Error::NotFound(_))));
}

async fn verifies(archive: &Archive) {
    let object = upload(archive, Uuid::new_v4(), &batches(50, 100)).await;
    let verified = archive.verify(&object).await.unwrap();
    assert_eq!((verified.batches, verified.records, verified.rows), (50, 500, 500));
    let wrong = ObjectRef { crc32c: object.crc32c ^ 1, ..object.clone() };
    assert!(matches!(archive.verify(&wrong).await, Err(Error::Corrupt { .. })));
    let short = ObjectRef { length_bytes: object.length_bytes - 1, ..object };
    assert!(matches!(archive.verify(&short).await, Err(Error::Corrupt { .. })));
}
