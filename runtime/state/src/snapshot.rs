//! The whole state as one stream of bytes, for a replica that is too far behind to replay the log.
//!
//! ```text
//! 4  magic "TMST"
//! u8 format version (1), then 3 zero bytes
//! u64 LE number of rows, then for each: u32 LE key length, u32 LE value length, key, value
//! u32 LE CRC-32C of everything before
//! ```
//! Rows are those of a checkpoint (`rows.rs`), rows that others hang on first.

use crate::Error;
use crate::state::State;

const MAGIC: &[u8; 4] = b"TMST";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 16;
const WHAT: &str = "state snapshot";

impl State {
    /// All of the state as one stream.
    pub fn export(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[VERSION, 0, 0, 0]);
        out.extend_from_slice(&[0; 8]);
        let mut count = 0u64;
        self.visit_rows(|row| {
            let Some(value) = self.row(&row)? else {
                return Ok(());
            };
            let key = row.encode();
            out.extend_from_slice(&length(key.len())?);
            out.extend_from_slice(&length(value.len())?);
            out.extend_from_slice(&key);
            out.extend_from_slice(&value);
            count += 1;
            Ok(())
        })?;
        if let Some(slot) = out.get_mut(8..HEADER_BYTES) {
            slot.copy_from_slice(&count.to_le_bytes());
        }
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        Ok(out)
    }

    /// A state from such a stream. All of it is dirty: the next checkpoint replaces what was there.
    pub fn import(stream: &[u8]) -> Result<Self, Error> {
        let short = || Error::corrupt(WHAT, "too short");
        let (rest, crc) = stream.split_last_chunk().ok_or_else(short)?;
        if u32::from_le_bytes(*crc) != crc32c::crc32c(rest) {
            return Err(Error::corrupt(WHAT, "CRC mismatch"));
        }
        let (magic, rest) = rest.split_first_chunk().ok_or_else(short)?;
        if magic != MAGIC {
            return Err(Error::corrupt(WHAT, "no state snapshot"));
        }
        let ([version, ..], rest): (&[u8; 4], _) = rest.split_first_chunk().ok_or_else(short)?;
        if *version != VERSION {
            return Err(Error::UnknownVersion { what: WHAT, version: *version });
        }
        let (count, mut rest) = rest.split_first_chunk().ok_or_else(short)?;
        let mut state = Self::new();
        for _ in 0..u64::from_le_bytes(*count) {
            let key_bytes = take_length(&mut rest)?;
            let value_bytes = take_length(&mut rest)?;
            let key = take(&mut rest, key_bytes)?;
            let value = take(&mut rest, value_bytes)?;
            state.load_row(key, value)?;
        }
        if !rest.is_empty() {
            return Err(Error::corrupt(WHAT, "bytes left over"));
        }
        state.dirty.all = true;
        Ok(state)
    }
}

fn length(len: usize) -> Result<[u8; 4], Error> {
    let fits = u32::try_from(len).map_err(|_| Error::TooLarge {
        what: WHAT,
        size: len,
        limit: u32::MAX as usize,
    })?;
    Ok(fits.to_le_bytes())
}

fn take_length(rest: &mut &[u8]) -> Result<usize, Error> {
    let (len, tail) = rest.split_first_chunk().ok_or_else(|| Error::corrupt(WHAT, "row does not fit"))?;
    *rest = tail;
    Ok(u32::from_le_bytes(*len) as usize)
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], Error> {
    let (head, tail) = rest.split_at_checked(len).ok_or_else(|| Error::corrupt(WHAT, "row does not fit"))?;
    *rest = tail;
    Ok(head)
}
