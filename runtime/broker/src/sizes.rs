//! How much of the data is on the local disk, and how much in the bucket.

use crate::broker::Broker;
use crate::topics::Topic;

/// Where a broker keeps records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDirs {
    /// The journals' folder: hot records.
    pub data_dir: String,
    /// Free bytes there, if known.
    pub usable_bytes: Option<u64>,
    /// The bucket's address, without credentials: archived records.
    pub object_store: String,
}

/// Bytes of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionSize {
    /// The partition's number.
    pub partition: i32,
    /// Bytes of hot record batches.
    pub hot_bytes: u64,
    /// Bytes of live objects in the bucket.
    pub archived_bytes: u64,
}

/// An address without the `user:password@` that may stand before its host.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

impl Broker {
    /// Where records are kept.
    #[must_use]
    pub fn log_dirs(&self) -> LogDirs {
        let data_dir = self.config.data_dir.join("journals");
        let absolute = std::path::absolute(&data_dir).unwrap_or_else(|_| data_dir.clone());
        let url = self.config.object_store_url();
        LogDirs {
            data_dir: absolute.display().to_string(),
            usable_bytes: self.disk.free_bytes(&data_dir).ok(),
            object_store: without_credentials(&url),
        }
    }

    /// The size of each partition of a topic.
    #[must_use]
    pub fn partition_sizes(&self, topic: &Topic) -> Vec<PartitionSize> {
        let placed = topic.partition_ids().zip(&topic.partitions);
        let sizes = placed.filter_map(|(id, placement)| {
            let journal = self.journals.data(placement.journal).ok()?;
            let archived_bytes = journal.state(|state| {
                let objects = state.partition(&id)?.objects().values();
                Some(objects.map(|object| object.length_bytes).sum())
            })?;
            Some(PartitionSize { partition: id.partition, hot_bytes: journal.hot_bytes(&id), archived_bytes })
        });
        sizes.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_left_out() {
        for (url, shown) in [
            ("file:///data/o@home", "file:///data/o@home"),
            ("s3://key:secret@bucket/a@b", "s3://bucket/a@b"),
            ("s3://bucket", "s3://bucket"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }
}
