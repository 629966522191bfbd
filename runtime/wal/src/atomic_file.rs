//! Small values that are replaced as a whole: the vote and the purge position.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `TIDEVAL\n` |
//! | 8 | 1 | format version, 1 |
//! | 9 | 3 | 0 |
//! | 12 | 4 | journal id |
//! | 16 | 4 | value length |
//! | 20 | 4 | CRC-32C of the bytes before and of the value |
//! | 24 | … | value |
//!
//! Written under a temporary name, synced, renamed, and the directory synced: a reader sees the old
//! or the new value.

use std::io::{self, IoSlice};
use std::path::Path;

use bytes::{Buf, BufMut};
use tidemill_disk::Disk;

use crate::error::Error;
use crate::frame::crc_of;
use crate::header::FORMAT_VERSION;
use crate::names::TEMPORARY;

const MAGIC: &[u8; 8] = b"TIDEVAL\n";
const CRC_AT: usize = 20;
const HEADER_BYTES: usize = 24;
/// A value is a vote or a log id.
const MAX_VALUE_BYTES: u64 = 1 << 20;

/// Why a value was not stored: before anything was replaced, or at a point where only a new start
/// can tell.
pub(crate) enum StoreError {
    NotStored(io::Error),
    Unknown(io::Error),
}

/// Replaces the value, durably.
pub(crate) fn store(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
    journal_id: u32,
    value: &[u8],
) -> Result<(), StoreError> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.put_slice(MAGIC);
    header.put_u8(FORMAT_VERSION);
    header.put_slice(&[0; 3]);
    header.put_u32_le(journal_id);
    header.put_u32_le(value.len() as u32);
    header.put_u32_le(crc_of([header.as_slice(), value]));

    let temporary = dir.join(format!("{name}{TEMPORARY}"));
    let replaced = write_temporary(disk, &temporary, &[&header, value]).and_then(|()| {
        let passed = disk.crash_point("value:written");
        passed.and_then(|()| disk.rename(&temporary, &dir.join(name))).map_err(StoreError::NotStored)
    });
    if let Err(StoreError::NotStored(_)) = &replaced {
        let _ = disk.remove(&temporary); // left over for the next open to remove
    }
    replaced.and_then(|()| disk.sync_dir(dir).map_err(StoreError::Unknown))
}

fn write_temporary(disk: &dyn Disk, temporary: &Path, parts: &[&[u8]; 2]) -> Result<(), StoreError> {
    let file = match disk.create(temporary) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(temporary).and_then(|()| disk.create(temporary))
        }
        other => other,
    };
    let file = file.map_err(StoreError::NotStored)?;
    file.write_all_at(&parts.map(IoSlice::new), 0).map_err(StoreError::NotStored)?;
    file.sync_data().map_err(StoreError::Unknown)
}

/// The stored value, if there is one.
pub(crate) fn load(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
    journal_id: u32,
) -> Result<Option<Vec<u8>>, Error> {
    let file = match disk.open(&dir.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(Error::io("open", name))?,
    };
    let corrupt = |reason: &str| Error::corrupt(name, 0, reason);
    let len = file.len().map_err(Error::io("read", name))?;
    if len > MAX_VALUE_BYTES {
        return Err(corrupt("the file is far too long"));
    }
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, 0).map_err(Error::io("read", name))?;
    let (header, value) =
        bytes.split_at_checked(HEADER_BYTES).ok_or_else(|| corrupt("the file is cut short"))?;
    let (front, mut crc) = header.split_at_checked(CRC_AT).unwrap_or_default();
    if crc.try_get_u32_le().ok() != Some(crc_of([front, value])) {
        return Err(corrupt("the checksum does not match"));
    }
    let mut rest = front;
    let mut magic = [0; 8];
    let known = rest.try_copy_to_slice(&mut magic).is_ok() && &magic == MAGIC;
    if !known || rest.try_get_u8().ok() != Some(FORMAT_VERSION) {
        return Err(corrupt("the format is not known to this release"));
    }
    rest.advance(3);
    if rest.try_get_u32_le().ok() != Some(journal_id) {
        return Err(corrupt("the value belongs to another journal"));
    }
    if rest.try_get_u32_le().ok() != Some(value.len() as u32) {
        return Err(corrupt("the value's length does not match"));
    }
    Ok(Some(value.to_vec()))
}
