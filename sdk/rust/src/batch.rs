//! The records of one call.

use crate::error::Error;
use crate::record::Record;
use std::cell::Cell;
use std::iter::FusedIterator;

/// What is true of all records of a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub topic: String,
    pub partition: i32,
    pub base_offset: i64,
    pub base_timestamp: i64,
    pub log_append_time: Option<i64>,
    pub record_count: u32,
    pub delivery_id: String,
}

/// The records of one call: some of an input partition's, in order. Iterate over it, as often as needed.
///
/// A call may carry the whole of a stored batch or a part of one, so nothing should be read into where a batch ends.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    facts: &'a Facts,
    section: &'a [u8],
    malformed: &'a Cell<bool>,
}

impl<'a> Batch<'a> {
    /// The input topic.
    pub fn topic(&self) -> &'a str {
        &self.facts.topic
    }

    /// The input partition.
    pub fn partition(&self) -> i32 {
        self.facts.partition
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.facts.record_count as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.facts.record_count == 0
    }

    /// For sinks: names this delivery, the same each time that these records are delivered again. A receiver that
    /// remembers the ids it has seen sees every record once. Empty in a transform.
    pub fn delivery_id(&self) -> &'a str {
        &self.facts.delivery_id
    }

    /// The records, in the order of their offsets.
    pub fn records(&self) -> Records<'a> {
        Records { batch: *self, rest: self.section, left: self.facts.record_count }
    }

    /// Makes a batch of what the broker sent, runs `function` over it, and sees to it that records which could not
    /// be read fail the call rather than go missing.
    pub(crate) fn run<T>(
        facts: &Facts,
        section: &[u8],
        function: impl FnOnce(Batch<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let malformed = Cell::new(false);
        let result = function(Batch { facts, section, malformed: &malformed })?;
        if malformed.get() {
            return Err(Error::new("the batch holds bytes that are not records"));
        }
        Ok(result)
    }
}

impl<'a> IntoIterator for Batch<'a> {
    type Item = Record<'a>;
    type IntoIter = Records<'a>;

    fn into_iter(self) -> Records<'a> {
        self.records()
    }
}

/// Iterates over the records of a [`Batch`].
pub struct Records<'a> {
    batch: Batch<'a>,
    rest: &'a [u8],
    left: u32,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    #[inline]
    fn next(&mut self) -> Option<Record<'a>> {
        if self.left == 0 {
            return None;
        }
        let record = Record::take(self.batch.facts, &mut self.rest);
        if record.is_none() {
            self.batch.malformed.set(true);
            self.left = 0;
        } else {
            self.left -= 1;
        }
        record
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left as usize))
    }
}

impl FusedIterator for Records<'_> {}
