//! Where one batch is, and its encoding in footers and index logs: 36 bytes.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | base offset |
//! | 8 | 4 | last offset − base offset |
//! | 12 | 4 | leader epoch |
//! | 16 | 8 | largest timestamp |
//! | 24 | 8 | position of the batch's bytes in the file |
//! | 32 | 4 | their length |

use bytes::{Buf, BufMut, TryGetError};

pub(crate) const EXTENT_BYTES: usize = 36;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchExtent {
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) max_timestamp_ms: i64,
    pub(crate) position: u64,
    pub(crate) size: u32,
}

impl BatchExtent {
    pub(crate) fn put(&self, out: &mut impl BufMut) {
        out.put_i64_le(self.base_offset);
        out.put_u32_le(self.last_offset.wrapping_sub(self.base_offset) as u32);
        out.put_i32_le(self.leader_epoch);
        out.put_i64_le(self.max_timestamp_ms);
        out.put_u64_le(self.position);
        out.put_u32_le(self.size);
    }

    /// Decodes and checks it against the `end` of the file's batches.
    pub(crate) fn get(buf: &mut impl Buf, end: u64) -> Result<BatchExtent, &'static str> {
        let extent = BatchExtent::read(buf).map_err(|_| "a batch's place is cut short")?;
        let inside = extent.position.checked_add(u64::from(extent.size)).is_some_and(|last| last <= end);
        if !inside || extent.base_offset < 0 || extent.last_offset < extent.base_offset {
            return Err("a batch's place makes no sense");
        }
        Ok(extent)
    }

    fn read(buf: &mut impl Buf) -> Result<BatchExtent, TryGetError> {
        let base_offset = buf.try_get_i64_le()?;
        let delta = buf.try_get_u32_le()?;
        Ok(BatchExtent {
            base_offset,
            last_offset: base_offset.wrapping_add(i64::from(delta)),
            leader_epoch: buf.try_get_i32_le()?,
            max_timestamp_ms: buf.try_get_i64_le()?,
            position: buf.try_get_u64_le()?,
            size: buf.try_get_u32_le()?,
        })
    }
}
