//! What a record section says about itself, when nobody has counted its records yet.

use crate::error::{Error, RecordFault};
use crate::record::{Record, take_record};

/// Figures of an uncompressed record section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionSummary {
    /// How many records there are.
    pub record_count: i32,
    /// Offset delta of the last record, or -1 without records.
    pub last_offset_delta: i32,
    /// Largest timestamp delta, or 0 without records.
    pub max_timestamp_delta: i64,
    /// Whether the offset deltas are 0, 1, 2, ….
    pub is_consecutive: bool,
}

/// Reads a whole section, whoever made it, and says what is in it.
///
/// Fails if it is anything but a sequence of records with increasing, non-negative offset deltas.
pub fn summarize_section(section: &[u8]) -> Result<SectionSummary, Error> {
    let mut summary = SectionSummary {
        record_count: 0,
        last_offset_delta: -1,
        max_timestamp_delta: 0,
        is_consecutive: true,
    };
    let mut rest = section;
    while !rest.is_empty() {
        let index = summary.record_count;
        take_record(&mut rest)
            .and_then(|record| summary.add(&record))
            .map_err(|fault| Error::InvalidRecord { index, fault })?;
    }
    Ok(summary)
}

impl SectionSummary {
    fn add(&mut self, record: &Record<'_>) -> Result<(), RecordFault> {
        if record.offset_delta <= self.last_offset_delta {
            let expected = self.last_offset_delta.saturating_add(1);
            return Err(RecordFault::OffsetDelta { expected, found: record.offset_delta });
        }
        self.max_timestamp_delta = match self.record_count {
            0 => record.timestamp_delta,
            _ => self.max_timestamp_delta.max(record.timestamp_delta),
        };
        self.is_consecutive &= record.offset_delta == self.record_count;
        self.last_offset_delta = record.offset_delta;
        self.record_count = self.record_count.checked_add(1).ok_or(RecordFault::TooMany)?;
        Ok(())
    }
}
