//! The part of a stored batch that one call gets. Pure.
//!
//! A record section is its records one after another, so any run of whole records is a section of
//! its own, with the same base offset and timestamp: cutting copies nothing. Where a section is cut
//! depends on the stored batch and the position alone, so that a sink's delivery is cut the same way
//! when it is made again.

use bytes::Bytes;
use tidemill_records::{Error, RecordBatch, Records, TimestampType};

/// Largest decompressed section of a stored batch.
const MAX_SECTION_BYTES: usize = 256 << 20;

/// Consecutive records of one stored batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) base_offset: i64,
    pub(super) base_timestamp: i64,
    pub(super) log_append_time: Option<i64>,
    pub(super) records: Bytes,
    pub(super) count: i32,
    /// Where the slice begins; no record of it is before.
    pub(super) first_offset: i64,
    /// The position after the slice.
    pub(super) next_offset: i64,
}

impl Slice {
    /// A batch's records from `position` on; none if there are none.
    pub(super) fn of_batch(batch: &RecordBatch, position: i64) -> Result<Option<Self>, Error> {
        let header = batch.header();
        let log_append_time = match batch.timestamp_type() {
            TimestampType::LogAppendTime => Some(header.max_timestamp),
            TimestampType::CreateTime => None,
        };
        let whole = Self {
            base_offset: batch.base_offset(),
            base_timestamp: header.base_timestamp,
            log_append_time,
            records: batch.uncompressed_records(MAX_SECTION_BYTES)?,
            count: batch.record_count(),
            first_offset: batch.base_offset(),
            next_offset: batch.next_offset(),
        };
        let slice = if position <= whole.base_offset {
            Some(whole)
        } else {
            let before = whole.count_before(position)?;
            Some(Self { first_offset: position, ..whole.cut(before)?.1 })
        };
        Ok(slice.filter(|slice| slice.count > 0))
    }

    /// Two parts of about equal length; a slice of one record has an empty first half.
    pub(super) fn halves(&self) -> Result<(Self, Self), Error> {
        self.cut(self.count / 2)
    }

    /// The records before the one at `offset_delta`, that one, and those after it. None if there is
    /// no such record.
    pub(super) fn around(&self, offset_delta: i32) -> Result<Option<[Self; 3]>, Error> {
        let (before, rest) = self.cut(self.count_before(self.base_offset + i64::from(offset_delta))?)?;
        let (record, after) = rest.cut(1)?;
        match Records::new(&record.records, record.count).next().transpose()? {
            Some(found) if found.offset_delta == offset_delta => Ok(Some([before, record, after])),
            _ => Ok(None),
        }
    }

    fn count_before(&self, offset: i64) -> Result<i32, Error> {
        let mut count = 0;
        for record in Records::new(&self.records, self.count) {
            if self.base_offset + i64::from(record?.offset_delta) >= offset {
                break;
            }
            count += 1;
        }
        Ok(count)
    }

    /// The first `count` records and the others.
    fn cut(&self, count: i32) -> Result<(Self, Self), Error> {
        let count = count.min(self.count);
        let mut records = Records::new(&self.records, self.count);
        for _ in 0..count {
            records.next().transpose()?;
        }
        let at = self.records.len() - records.rest().len();
        let next = records.next().transpose()?;
        let boundary =
            next.map_or(self.next_offset, |record| self.base_offset + i64::from(record.offset_delta));
        let boundary = if count == 0 { self.first_offset } else { boundary };
        let first = Self { records: self.records.slice(..at), count, next_offset: boundary, ..self.clone() };
        let rest = Self {
            records: self.records.slice(at..),
            count: self.count - count,
            first_offset: boundary,
            ..self.clone()
        };
        Ok((first, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_records::{BatchBuilder, BatchFacts, Compression};

    /// Offsets 100, 101, 104, 110.
    fn batch() -> RecordBatch {
        let facts = BatchFacts {
            base_offset: 100,
            base_timestamp: 5,
            last_offset_delta: Some(12),
            ..BatchFacts::default()
        };
        let mut builder = BatchBuilder::new(facts);
        for delta in [0, 1, 4, 10] {
            builder.push(delta, 0, None, Some(format!("v{delta}").as_bytes()), &[]);
        }
        builder.build(Compression::Lz4).unwrap()
    }

    fn offsets(slice: &Slice) -> Vec<i64> {
        let records = Records::new(&slice.records, slice.count);
        records.map(|record| slice.base_offset + i64::from(record.unwrap().offset_delta)).collect()
    }

    #[test]
    fn a_position_inside_a_batch_leaves_out_what_is_done() {
        let whole = Slice::of_batch(&batch(), 7).unwrap().unwrap();
        assert_eq!(
            (offsets(&whole), whole.first_offset, whole.next_offset),
            (vec![100, 101, 104, 110], 100, 113)
        );
        let rest = Slice::of_batch(&batch(), 102).unwrap().unwrap();
        assert_eq!((offsets(&rest), rest.first_offset, rest.next_offset), (vec![104, 110], 102, 113));
        assert_eq!(Slice::of_batch(&batch(), 111).unwrap(), None);
    }

    #[test]
    fn halves_meet_at_the_second_halfs_first_record() {
        let whole = Slice::of_batch(&batch(), 0).unwrap().unwrap();
        let (first, second) = whole.halves().unwrap();
        assert_eq!((offsets(&first), first.first_offset, first.next_offset), (vec![100, 101], 100, 104));
        assert_eq!((offsets(&second), second.first_offset, second.next_offset), (vec![104, 110], 104, 113));
    }

    #[test]
    fn the_record_at_fault_stands_alone() {
        let whole = Slice::of_batch(&batch(), 0).unwrap().unwrap();
        let [before, record, after] = whole.around(4).unwrap().unwrap();
        assert_eq!((offsets(&before), before.next_offset), (vec![100, 101], 104));
        assert_eq!((offsets(&record), record.first_offset, record.next_offset), (vec![104], 104, 110));
        assert_eq!((offsets(&after), after.next_offset), (vec![110], 113));
        assert_eq!(whole.around(5).unwrap(), None);
        let [before, record, _] = whole.around(0).unwrap().unwrap();
        assert_eq!((before.count, offsets(&record)), (0, vec![100]));
    }
}
