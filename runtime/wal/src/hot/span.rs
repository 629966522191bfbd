//! Which files hold a partition's hot batches: a few spans in offset order, one per file.
//!
//! Single batches are not in here: those of a file without footer are beside it in memory, those of
//! others are read from its footer when somebody asks.

use std::collections::VecDeque;

use super::extent::BatchExtent;
use crate::names::FileId;

/// Where a footer keeps the batches of one span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SectionRef {
    pub(crate) position: u64,
    pub(crate) count: u32,
    pub(crate) crc: u32,
}

/// Consecutive batches of a partition in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) file: FileId,
    /// First offset still needed.
    pub(crate) from: i64,
    pub(crate) last: i64,
    pub(crate) max_timestamp_ms: i64,
    /// Bytes of the batches; of more than those still needed unless `exact`.
    pub(crate) bytes: u64,
    pub(crate) exact: bool,
    /// None while the file has no footer.
    pub(crate) section: Option<SectionRef>,
}

/// A partition's hot part.
#[derive(Debug)]
pub(crate) struct Partition {
    /// Offsets below are released.
    pub(crate) released: i64,
    /// One past the last offset ever indexed or released.
    pub(crate) end: i64,
    pub(crate) spans: VecDeque<Span>,
}

impl Default for Partition {
    fn default() -> Partition {
        Partition { released: i64::MIN, end: i64::MIN, spans: VecDeque::new() }
    }
}

impl Partition {
    pub(crate) fn start(&self) -> Option<i64> {
        self.spans.front().map(|span| span.from)
    }

    /// The first span that reaches `offset`.
    pub(crate) fn span_at(&self, offset: i64) -> Option<&Span> {
        let at = self.spans.partition_point(|span| span.last < offset);
        self.spans.get(at)
    }

    /// Adds a batch at the end.
    pub(crate) fn extend(&mut self, file: FileId, extent: &BatchExtent) {
        self.end = extent.last_offset.saturating_add(1);
        match self.spans.back_mut().filter(|span| span.file == file && span.section.is_none()) {
            Some(span) => {
                span.last = extent.last_offset;
                span.max_timestamp_ms = span.max_timestamp_ms.max(extent.max_timestamp_ms);
                span.bytes += u64::from(extent.size);
            }
            None => self.spans.push_back(Span {
                file,
                from: extent.base_offset,
                last: extent.last_offset,
                max_timestamp_ms: extent.max_timestamp_ms,
                bytes: u64::from(extent.size),
                exact: true,
                section: None,
            }),
        }
    }

    /// Takes off what is below `upto`; gives the spans that are no longer needed.
    pub(crate) fn release(&mut self, upto: i64) -> Vec<Span> {
        self.released = self.released.max(upto);
        self.end = self.end.max(upto);
        let mut gone = Vec::new();
        while let Some(span) = self.spans.pop_front_if(|span| span.last < upto) {
            gone.push(span);
        }
        if let Some(first) = self.spans.front_mut()
            && first.from < upto
        {
            first.from = upto;
            first.exact = false;
        }
        gone
    }
}
