//! The checkpoint's file: one redb database with a table `rows` (see `rows.rs`; each value is
//! followed by the CRC-32C of key and value) and a table `meta`:
//!
//! ```text
//! format     u8 (1)
//! position   u64 LE term, u64 LE node id, u64 LE index of the last applied entry
//! raft_meta  what the journal gave: opaque here
//! ```
//! A checkpoint is one durable transaction, so the file always holds the state exactly as of
//! `position`.
//! `docs/formats/checkpoint.md`.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use tidemill_disk::Disk;

use super::Changes;
use super::file::CheckpointFile;
use crate::{Error, State};

pub(super) const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
pub(super) const FORMAT: u8 = 1;
const WHAT: &str = "checkpoint";

/// Position of an entry in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition {
    /// Term of the leader that wrote it.
    pub term: u64,
    /// That leader.
    pub node_id: u64,
    /// Index in the log.
    pub index: u64,
}

/// A checkpoint read back.
#[derive(Debug)]
pub struct Checkpoint {
    /// The state as of `position`.
    pub state: State,
    /// The last entry applied to it.
    pub position: LogPosition,
    /// What the journal stored beside it.
    pub raft_meta: Vec<u8>,
}

/// Where a journal's checkpoints go. All calls block.
pub struct CheckpointStore {
    file: CheckpointFile,
    /// None after a failure: the next call opens the file again.
    database: Mutex<Option<Database>>,
}

impl CheckpointStore {
    /// Opens the file, making it if there is none. Its directory must exist.
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, Error> {
        let file = CheckpointFile::new(disk, path);
        let database = file.open()?;
        Ok(Self { file, database: Mutex::new(Some(database)) })
    }

    /// The last checkpoint; none if there never was one.
    pub fn load(&self) -> Result<Option<Checkpoint>, Error> {
        self.with_database(read)
    }

    /// Writes a checkpoint; durable when this returns. After an error the file still holds the
    /// checkpoint before (or, if only the answer was lost, this one), and the next call tries anew.
    pub fn write(&self, changes: &Changes, position: LogPosition, raft_meta: &[u8]) -> Result<(), Error> {
        self.with_database(|database| write(database, changes, position, raft_meta))
    }

    fn with_database<T>(&self, run: impl FnOnce(&Database) -> Result<T, Error>) -> Result<T, Error> {
        let mut slot = self.database.lock();
        let database = match slot.take() {
            Some(database) => database,
            None => self.file.open()?,
        };
        let value = run(&database).inspect_err(|_| self.file.note_failure())?;
        *slot = Some(database);
        Ok(value)
    }
}

fn read(database: &Database) -> Result<Option<Checkpoint>, Error> {
    let txn = database.begin_read().map_err(failed("reading"))?;
    let meta = txn.open_table(META).map_err(failed("reading"))?;
    let get = |name| -> Result<Option<Vec<u8>>, Error> {
        Ok(meta.get(name).map_err(failed("reading"))?.map(|value| value.value().to_vec()))
    };
    match get("format")?.as_deref() {
        Some([FORMAT]) => {}
        Some([version]) => {
            return Err(Error::UnknownVersion { what: WHAT, version: *version });
        }
        _ => return Err(Error::corrupt(WHAT, "no format version")),
    }
    let Some(position) = get("position")? else {
        return Ok(None);
    };
    let position = parse_position(&position)?;
    let raft_meta = get("raft_meta")?.ok_or_else(|| Error::corrupt(WHAT, "no raft_meta"))?;
    let rows = txn.open_table(ROWS).map_err(failed("reading"))?;
    let mut state = State::new();
    let mut count = 0u64;
    for row in rows.iter().map_err(failed("reading"))? {
        let (key, value) = row.map_err(failed("reading"))?;
        let (key, value) = (key.value(), value.value());
        state.load_row(key, checked(key, value)?)?;
        count += 1;
    }
    if count != rows.len().map_err(failed("reading"))? {
        return Err(Error::corrupt(WHAT, "rows are missing"));
    }
    Ok(Some(Checkpoint { state, position, raft_meta }))
}

fn write(
    database: &Database,
    changes: &Changes,
    position: LogPosition,
    raft_meta: &[u8],
) -> Result<(), Error> {
    let txn = database.begin_write().map_err(failed("writing"))?;
    if changes.replaces_all {
        txn.delete_table(ROWS).map_err(failed("writing"))?;
    }
    {
        let mut rows = txn.open_table(ROWS).map_err(failed("writing"))?;
        let mut buffer = Vec::new();
        for (key, value) in changes.sorted() {
            match value {
                Some(value) => {
                    buffer.clear();
                    buffer.extend_from_slice(value);
                    buffer.extend_from_slice(&row_crc(key, value).to_le_bytes());
                    rows.insert(key, buffer.as_slice()).map_err(failed("writing"))?;
                }
                None => {
                    rows.remove(key).map_err(failed("writing"))?;
                }
            }
        }
        let mut meta = txn.open_table(META).map_err(failed("writing"))?;
        meta.insert("position", position_bytes(position).as_slice()).map_err(failed("writing"))?;
        meta.insert("raft_meta", raft_meta).map_err(failed("writing"))?;
    }
    txn.commit().map_err(failed("committing"))
}

fn row_crc(key: &[u8], value: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), value)
}

/// The value without its CRC.
fn checked<'a>(key: &[u8], stored: &'a [u8]) -> Result<&'a [u8], Error> {
    match stored.split_last_chunk() {
        Some((value, crc)) if u32::from_le_bytes(*crc) == row_crc(key, value) => Ok(value),
        _ => Err(Error::corrupt(WHAT, format!("CRC mismatch in row {key:02x?}"))),
    }
}

fn position_bytes(position: LogPosition) -> Vec<u8> {
    [position.term, position.node_id, position.index].iter().flat_map(|field| field.to_le_bytes()).collect()
}

fn parse_position(bytes: &[u8]) -> Result<LogPosition, Error> {
    let (fields, rest) = bytes.as_chunks::<8>();
    let ([term, node_id, index], []) = (fields, rest) else {
        return Err(Error::corrupt(WHAT, "position"));
    };
    let field = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    Ok(LogPosition { term: field(term), node_id: field(node_id), index: field(index) })
}

/// Says what failed and sorts corruption from failing I/O.
pub(super) fn failed<E: Into<redb::Error>>(doing: &'static str) -> impl FnOnce(E) -> Error {
    move |error| match error.into() {
        redb::Error::Corrupted(reason) => Error::corrupt(WHAT, reason),
        redb::Error::Io(source) => Error::Store { context: doing.into(), source },
        other => Error::Store { context: doing.into(), source: io::Error::other(other) },
    }
}
