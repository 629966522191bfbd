//! Where things are in the bucket, below its prefix.
//!
//! ```text
//! tidemill-cluster.json                                              who owns the prefix
//! topics/<topic>-<topic id>/data/partition=<p>/<base>-<last>-<epoch>-<random>.parquet
//! topics/<topic>-<topic id>/metadata/                                Iceberg
//! journals/<id>/snapshots/                                           state
//! functions/<sha256>.wasm                                            modules
//! ```
//!
//! Offsets are padded with zeros to 20 digits, so that names sort by offset.

use uuid::Uuid;

/// The object that says which cluster owns the prefix.
pub(crate) const CLAIM_PATH: &str = "tidemill-cluster.json";
/// The folder of all topics.
pub(crate) const TOPICS_FOLDER: &str = "topics";

/// The folder of a topic's data.
pub fn topic_data_path(topic: &str, topic_id: Uuid) -> String {
    format!("{TOPICS_FOLDER}/{topic}-{topic_id}/data")
}

/// The path of a new object. `random` keeps two writers of the same offsets apart.
pub fn object_path(
    topic: &str,
    topic_id: Uuid,
    partition: i32,
    base_offset: i64,
    last_offset: i64,
    leader_epoch: i32,
    random: u64,
) -> String {
    let folder = topic_data_path(topic, topic_id);
    format!(
        "{folder}/partition={partition}/{base_offset:020}-{last_offset:020}-{leader_epoch}-{random:016x}.parquet"
    )
}

/// The path of a module.
pub(crate) fn module_path(sha256: &str) -> String {
    format!("functions/{sha256}.wasm")
}

/// Takes a topic's folder name apart.
pub(crate) fn parse_topic_folder(folder: &str) -> Option<(String, Uuid)> {
    const ID_CHARS: usize = 36;
    let (name, id) = folder.split_at_checked(folder.len().checked_sub(ID_CHARS)?)?;
    let name = name.strip_suffix('-').filter(|name| !name.is_empty())?;
    Some((name.to_owned(), Uuid::parse_str(id).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_offset_and_folders_parse_back() {
        let id = Uuid::from_u128(7);
        let early = object_path("a.b_c-d", id, 3, 0, 9, 1, 0xff);
        let late = object_path("a.b_c-d", id, 3, 10, 12, 1, 0);
        assert!(early < late);
        assert_eq!(
            early,
            "topics/a.b_c-d-00000000-0000-0000-0000-000000000007/data/partition=3/\
             00000000000000000000-00000000000000000009-1-00000000000000ff.parquet"
        );
        let folder = early.split('/').nth(1).unwrap();
        assert_eq!(parse_topic_folder(folder), Some(("a.b_c-d".to_owned(), id)));
        assert_eq!(parse_topic_folder("short"), None);
        assert_eq!(parse_topic_folder("é-00000000-0000-0000-0000-00000000000"), None);
    }
}
