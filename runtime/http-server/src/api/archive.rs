//! The archive.

use serde::{Deserialize, Serialize};

/// `GET /v1/archive/{topic}?files=true`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusQuery {
    /// Whether to list the live objects.
    #[serde(default)]
    pub files: bool,
}

/// `POST /v1/archive/{topic}/seal?wait=true`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealQuery {
    /// Whether to answer only when everything written before the call is archived.
    #[serde(default)]
    pub wait: bool,
}

/// How much of a topic is archived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveStatus {
    /// The topic's name.
    pub topic: String,
    /// Each partition.
    pub partitions: Vec<ArchivePartition>,
}

/// One partition's archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivePartition {
    /// Its number.
    pub partition: i32,
    /// First offset that is still there.
    pub log_start_offset: i64,
    /// Offsets below this are in the archive.
    pub archived_end: i64,
    /// Offset after the last record.
    pub high_watermark: i64,
    /// How many live objects.
    pub object_count: usize,
    /// Their length together.
    pub object_bytes: u64,
    /// The live objects by offset, where asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ArchiveObject>,
}

/// One live object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveObject {
    /// Path below the object store's URL.
    pub path: String,
    /// The whole address: a file path or a URL that analytics tools take.
    pub location: String,
    /// First offset covered.
    pub base_offset: i64,
    /// Last offset covered.
    pub last_offset: i64,
    /// Committed records in it.
    pub rows: u64,
    /// Length.
    pub length_bytes: u64,
    /// Key and value bytes in it before compression.
    pub raw_bytes: u64,
    /// Oldest record's timestamp, or -1.
    pub min_timestamp_ms: i64,
    /// Newest record's timestamp, or -1.
    pub max_timestamp_ms: i64,
}

/// What sealing did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealResult {
    /// The topic's name.
    pub topic: String,
    /// True when everything written before the call is archived.
    pub complete: bool,
}

/// `POST /v1/archive/{topic}/verify`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyResult {
    /// The topic's name.
    pub topic: String,
    /// Objects read whole.
    pub objects: u64,
    /// Records decoded.
    pub rows: u64,
    /// Bytes read.
    pub bytes: u64,
    /// What did not check out, one line each; empty means all is well.
    pub problems: Vec<String>,
}
