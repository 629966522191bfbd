//! Listing, deleting and collecting objects.

use std::collections::HashSet;
use std::time::Duration;

use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use uuid::Uuid;

use crate::archive::Archive;
use crate::backend::{blocking, location};
use crate::error::Error;
use crate::layout::{TOPICS_FOLDER, parse_topic_folder, topic_data_path};
use crate::local_files;

/// An object as the store lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Path below the prefix.
    pub path: String,
    /// Length in bytes.
    pub length_bytes: u64,
    /// When it was written, by the store's clock.
    pub last_modified_ms: i64,
}

/// What a garbage collection did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Paths of the objects deleted.
    pub deleted: Vec<String>,
    /// Their bytes.
    pub deleted_bytes: u64,
    /// Objects not live but too young to be deleted: they may be about to be committed.
    pub young: u64,
}

impl Archive {
    /// The objects in a folder and below it, in no particular order.
    pub async fn list_objects(&self, folder: &str) -> Result<Vec<ListedObject>, Error> {
        let prefix = location(folder)?;
        self.backend()
            .store()
            .list(Some(&prefix))
            .map_ok(|meta| ListedObject {
                path: meta.location.to_string(),
                length_bytes: meta.size,
                last_modified_ms: meta.last_modified.timestamp_millis(),
            })
            .try_collect()
            .await
            .map_err(|error| Error::store("listing", folder, error))
    }

    /// The topics that have a folder in the archive, among them deleted ones.
    pub async fn list_topics(&self) -> Result<Vec<(String, Uuid)>, Error> {
        let prefix = Path::from(TOPICS_FOLDER);
        let listed = self.backend().store().list_with_delimiter(Some(&prefix)).await;
        let listed = listed.map_err(|error| Error::store("listing", TOPICS_FOLDER, error))?;
        let topics = listed.common_prefixes.iter();
        Ok(topics.filter_map(|folder| parse_topic_folder(folder.filename()?)).collect())
    }

    /// Deletes an object. That it is not there is no error.
    pub async fn delete(&self, path: &str) -> Result<(), Error> {
        match self.backend().store().delete(&location(path)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::store("deletion", path, error)),
        }
    }

    /// Deletes a topic's data objects that are neither live nor younger than `grace_ms`. An upload
    /// has to be committed within that time. With no object live it clears up after a deleted topic.
    pub async fn collect_garbage(
        &self,
        topic: &str,
        topic_id: Uuid,
        live: &HashSet<String>,
        grace_ms: i64,
        now_ms: i64,
    ) -> Result<Collected, Error> {
        let folder = topic_data_path(topic, topic_id);
        let mut collected = Collected::default();
        for object in self.list_objects(&folder).await? {
            if live.contains(&object.path) {
                continue;
            }
            if now_ms.saturating_sub(object.last_modified_ms) < grace_ms {
                collected.young += 1;
                continue;
            }
            self.delete(&object.path).await?;
            collected.deleted_bytes += object.length_bytes;
            collected.deleted.push(object.path);
        }
        if let Some(root) = self.local_folder() {
            let folder = root.join(folder);
            let grace = Duration::from_millis(grace_ms.unsigned_abs());
            blocking(move || Ok(local_files::sweep_staging(&folder, grace))).await?;
        }
        Ok(collected)
    }
}
