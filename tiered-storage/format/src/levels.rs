//! Which values of a page are null: definition levels of 0 and 1, in Parquet's hybrid encoding, after their length.

use crate::error::{Error, corrupt};
use crate::hybrid::HybridReader;
use crate::varint::{Cursor, put_unsigned};

const LENGTH_BYTES: usize = 4;

/// Levels while a page is filled.
#[derive(Default)]
pub(crate) struct LevelWriter {
    count: u32,
    nulls: u32,
    bits: Vec<u8>,
}

impl LevelWriter {
    /// Adds a value's level.
    pub(crate) fn push(&mut self, is_present: bool) {
        let bit = self.count % 8;
        match self.bits.last_mut() {
            Some(last) if bit > 0 => *last |= u8::from(is_present) << bit,
            _ => self.bits.push(u8::from(is_present)),
        }
        self.count += 1;
        self.nulls += u32::from(!is_present);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Appends the levels, and begins anew.
    pub(crate) fn take(&mut self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; LENGTH_BYTES]);
        if self.nulls == 0 || self.nulls == self.count {
            put_unsigned(out, u64::from(self.count) << 1);
            out.push(u8::from(self.nulls == 0));
        } else {
            put_unsigned(out, (self.bits.len() as u64) << 1 | 1);
            out.extend_from_slice(&self.bits);
        }
        let len = (out.len() - start - LENGTH_BYTES) as u32;
        if let Some(room) = out.get_mut(start..start + LENGTH_BYTES) {
            room.copy_from_slice(&len.to_le_bytes());
        }
        self.bits.clear();
        (self.count, self.nulls) = (0, 0);
    }
}

/// Reads the levels that a page begins with; also says where the values begin.
pub(crate) fn levels(page: &[u8]) -> Result<(HybridReader, usize), Error> {
    let len = Cursor::new(page).fixed_u32()? as usize;
    let end = len.checked_add(LENGTH_BYTES).filter(|end| *end <= page.len());
    let end = end.ok_or_else(|| corrupt("a page is shorter than its levels"))?;
    Ok((HybridReader::new(1, LENGTH_BYTES..end)?, end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn levels_come_back(written in proptest::collection::vec(proptest::bool::weighted(0.9), 1..300)) {
            let mut writer = LevelWriter::default();
            for _ in 0..2 {
                written.iter().for_each(|level| writer.push(*level));
                prop_assert_eq!(writer.count() as usize, written.len());
                let mut page = Vec::new();
                writer.take(&mut page);
                let (mut reader, end) = levels(&page).unwrap();
                prop_assert_eq!(end, page.len());
                for level in &written {
                    prop_assert_eq!(reader.next(&page).unwrap(), u32::from(*level));
                }
            }
        }
    }

    #[test]
    fn a_page_shorter_than_its_levels_is_refused() {
        assert!(levels(&[3, 0, 0, 0, 2]).is_err());
        assert!(levels(&[0xff; 7]).is_err());
        assert!(levels(&[0]).is_err());
    }
}
