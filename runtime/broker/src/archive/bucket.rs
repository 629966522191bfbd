//! The bucket, as far as this broker may use it: only after its claim is confirmed.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tidemill_archive::{Archive, ArchivedRead, Codec, Error as ArchiveError, ObjectFile, ObjectRef};
use tidemill_archive_format::ObjectSummary;
use tidemill_state::ArchivedObject;
use uuid::Uuid;

use crate::error::{Error, ErrorKind};

/// The archive behind a claim.
pub(crate) struct Bucket {
    archive: Archive,
    cluster_id: Uuid,
    claimed: AtomicBool,
}

impl Bucket {
    pub(crate) fn new(archive: Archive, cluster_id: Uuid) -> Self {
        Self { archive, cluster_id, claimed: AtomicBool::new(false) }
    }

    /// An uploaded module, by the hex SHA-256 of its bytes.
    pub(crate) async fn module(&self, sha256: &str) -> Result<Bytes, Error> {
        match self.archive.get_module(sha256).await {
            Err(ArchiveError::NotFound(_)) => {
                let message = format!("no module with the SHA-256 {sha256} was uploaded");
                Err(Error::new(ErrorKind::ResourceNotFound, message))
            }
            other => Ok(other?),
        }
    }

    /// Takes a module in.
    pub(crate) async fn put_module(&self, module: Bytes) -> Result<(), Error> {
        self.claim().await?;
        self.archive.put_module(module).await?;
        Ok(())
    }

    /// Makes sure that the prefix is ours. Where the bucket cannot be reached this fails, and whoever
    /// wants to write tries again; that it belongs to another cluster is final.
    pub(crate) async fn claim(&self) -> Result<(), ArchiveError> {
        if self.claimed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.archive.claim(self.cluster_id).await?;
        self.claimed.store(true, Ordering::Release);
        Ok(())
    }

    /// Creates a local file to write an object into.
    pub(super) fn create_file(&self, file: &Path) -> std::io::Result<ObjectFile> {
        self.archive.create_file(file)
    }

    /// Uploads a finished local file under a new name.
    pub(super) async fn upload(&self, path: &str, file: &Path, summary: &ObjectSummary) -> Result<(), Error> {
        self.claim().await?;
        Ok(self.archive.upload(path, file, summary).await?)
    }

    /// Reads whole batches, one at least, each compressed as its producer chose.
    pub(crate) async fn read(
        &self,
        object: &ArchivedObject,
        offset: i64,
        max_bytes: usize,
    ) -> Result<ArchivedRead, Error> {
        Ok(self.archive.read(&object_ref(object), offset, max_bytes, Codec::AsProduced).await?)
    }

    /// The first record at or after both an offset and a time: its offset and timestamp.
    pub(crate) async fn offset_for_timestamp(
        &self,
        object: &ArchivedObject,
        offset: i64,
        timestamp_ms: i64,
    ) -> Result<Option<(i64, i64)>, Error> {
        Ok(self.archive.offset_for_timestamp(&object_ref(object), offset, timestamp_ms).await?)
    }

    pub(super) async fn delete(&self, path: &str) -> Result<(), Error> {
        self.claim().await?;
        Ok(self.archive.delete(path).await?)
    }

    /// Reads a whole object; the number of committed records must be the manifest's.
    pub(super) async fn verify(&self, object: &ArchivedObject) -> Result<(), Error> {
        let verified = self.archive.verify(&object_ref(object)).await?;
        if verified.rows == object.row_count {
            return Ok(());
        }
        let message = format!("it has {} records, the manifest says {}", verified.rows, object.row_count);
        Err(Error::new(ErrorKind::KafkaStorageError, message))
    }

    /// Every topic with a folder in the bucket.
    pub(super) async fn topics(&self) -> Result<Vec<(String, Uuid)>, Error> {
        self.claim().await?;
        Ok(self.archive.list_topics().await?)
    }

    /// Deletes a topic's objects that are not live and older than the grace time; answers how many.
    pub(super) async fn collect_garbage(
        &self,
        topic: &str,
        topic_id: Uuid,
        live: &HashSet<String>,
        grace_ms: i64,
        now_ms: i64,
    ) -> Result<u64, Error> {
        let collected = self.archive.collect_garbage(topic, topic_id, live, grace_ms, now_ms).await?;
        Ok(collected.deleted.len() as u64)
    }
}

fn object_ref(object: &ArchivedObject) -> ObjectRef {
    ObjectRef {
        path: object.path.clone(),
        length_bytes: object.length_bytes,
        crc32c: object.crc32c,
        footer_bytes: object.footer_bytes,
    }
}

impl From<ArchiveError> for Error {
    fn from(error: ArchiveError) -> Self {
        let kind = match &error {
            ArchiveError::Configuration { .. } | ArchiveError::ForeignCluster { .. } => {
                ErrorKind::InvalidConfig
            }
            _ => ErrorKind::KafkaStorageError,
        };
        Self::new(kind, format!("archive: {error}"))
    }
}
