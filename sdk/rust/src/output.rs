//! What a transform writes.

use crate::new_record::NewRecord;
use crate::record::Record;
use crate::varint::{len, put};
use std::collections::BTreeMap;

/// Set aside at most: a function that writes little should not need much memory.
const MAX_FIRST_ROOM: usize = 4 << 20;

/// Collects what a transform writes. Records go to the function's first output and to the partition that has the
/// input's number, unless [`to`](Output::to) says otherwise.
#[derive(Debug)]
pub struct Output {
    base_timestamp: i64,
    /// How much is set aside when the first record is written.
    first_room: usize,
    sections: Vec<Section>,
    index: BTreeMap<(u32, Option<i32>), usize>,
    /// Where the last record went; the next one mostly goes there too.
    last: usize,
}

/// The records for one output topic and partition, encoded.
#[derive(Debug)]
pub(crate) struct Section {
    pub output: u32,
    pub partition: Option<i32>,
    pub base_timestamp: i64,
    pub record_count: u32,
    pub records: Vec<u8>,
}

impl Output {
    /// For a batch with this base timestamp, whose records took that many bytes.
    pub(crate) fn new(base_timestamp: i64, input_bytes: usize) -> Self {
        Output {
            base_timestamp,
            first_room: input_bytes.min(MAX_FIRST_ROOM),
            sections: Vec::new(),
            index: BTreeMap::new(),
            last: 0,
        }
    }

    /// Writes a record.
    #[inline]
    pub fn push(&mut self, record: &NewRecord<'_>) {
        self.to(0).push(record);
    }

    /// Writes a record that came in as it is: key, value, timestamp and headers, without encoding them again.
    #[inline]
    pub fn copy(&mut self, record: &Record<'_>) {
        self.to(0).copy(record);
    }

    /// Chooses an output topic: `0` is the first that the function was deployed with.
    #[inline]
    pub fn to(&mut self, output: u32) -> Target<'_> {
        Target { out: self, output, partition: None }
    }

    /// All that was written.
    pub(crate) fn into_sections(self) -> Vec<Section> {
        self.sections
    }

    #[inline]
    fn section(&mut self, output: u32, partition: Option<i32>) -> &mut Section {
        let is_last = |section: &Section| section.output == output && section.partition == partition;
        if !self.sections.get(self.last).is_some_and(is_last) {
            self.turn_to(output, partition);
        }
        // Either there is a section at this position, or it was just turned to.
        #[allow(clippy::indexing_slicing, reason = "the lines above make sure of the position")]
        &mut self.sections[self.last]
    }

    #[cold]
    fn turn_to(&mut self, output: u32, partition: Option<i32>) {
        self.last = *self.index.entry((output, partition)).or_insert(self.sections.len());
        if self.last == self.sections.len() {
            self.sections.push(Section {
                output,
                partition,
                base_timestamp: self.base_timestamp,
                record_count: 0,
                records: Vec::with_capacity(std::mem::take(&mut self.first_room)),
            });
        }
    }
}

/// One output topic, and maybe one partition of it, of an [`Output`].
pub struct Target<'a> {
    out: &'a mut Output,
    output: u32,
    partition: Option<i32>,
}

impl Target<'_> {
    /// Chooses the partition.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Writes a record.
    #[inline]
    pub fn push(&mut self, record: &NewRecord<'_>) {
        let section = self.out.section(self.output, self.partition);
        record.encode(&mut section.records, section.base_timestamp, i64::from(section.record_count));
        section.record_count += 1;
    }

    /// Writes a record that came in as it is, without encoding it again.
    #[inline]
    pub fn copy(&mut self, record: &Record<'_>) {
        let section = self.out.section(self.output, self.partition);
        let offset_delta = i64::from(section.record_count);
        let timestamp_delta = record.timestamp().saturating_sub(section.base_timestamp);
        let body = record.body();
        let out = &mut section.records;
        let length = 1 + len(timestamp_delta) + len(offset_delta) + body.len();
        out.reserve(length + 5);
        put(out, length as i64);
        out.push(0);
        put(out, timestamp_delta);
        put(out, offset_delta);
        out.extend_from_slice(body);
        section.record_count += 1;
    }
}
