//! Index logs: the batches of the segment that had been applied in part.

use std::collections::HashMap;
use std::sync::Arc;

use super::Recovery;
use crate::checkpoint::{IndexLog, get_batches};
use crate::error::Error;
use crate::hot::extent::BatchExtent;
use crate::hot::footer::span_of;
use crate::names::FileId;
use crate::scan::scan_frames;
use crate::types::WalPartition;

impl Recovery<'_> {
    /// Reads the index logs of segments without footer and removes the others. Gives the newest.
    pub(super) fn index_logs(&mut self) -> Result<Option<IndexLog>, Error> {
        let ids: Vec<FileId> =
            self.ids.iter().copied().filter(|id| matches!(id, FileId::IndexLog(_))).collect();
        let mut newest = None;
        for id in ids {
            let segment = FileId::Segment(id.number());
            let open = self.index.files.get(&segment).is_some_and(|state| state.open.is_some());
            if open {
                self.earlier_are_closed(segment)?;
                newest = Some(self.index_log(id, segment)?);
            } else {
                let name = id.name();
                self.disk.remove(&self.dir.join(&name)).map_err(Error::io("remove", &name))?;
            }
        }
        Ok(newest)
    }

    /// Every earlier segment gets its footer before a later one's batches are logged, so one without
    /// has lost it, and with it its batches' places.
    fn earlier_are_closed(&self, segment: FileId) -> Result<(), Error> {
        let unfinished = self.index.files.iter().find(|(id, state)| **id < segment && state.open.is_some());
        match unfinished {
            Some((_, state)) => Err(state.file.corrupt(state.end, "the file's footer is gone")),
            None => Ok(()),
        }
    }

    fn index_log(&mut self, id: FileId, segment: FileId) -> Result<IndexLog, Error> {
        let file = self.open_file(id)?;
        let len = file.len()?;
        let end = self.index.files.get(&segment).map_or(0, |state| state.end);
        let mut batches: HashMap<WalPartition, Vec<_>> = HashMap::new();
        let mut indexed = self.indexed;
        let scanned = scan_frames(&file, len, |position, header, payload| {
            let found = get_batches(payload, end).map_err(|reason| file.corrupt(position, reason))?;
            for (partition, extent) in found {
                let extents = batches.entry(partition).or_default();
                if extents.last().is_none_or(|last: &BatchExtent| last.last_offset < extent.base_offset) {
                    extents.push(extent);
                }
            }
            indexed = indexed.max(Some(header.log_id.index));
            Ok(())
        })?;
        self.indexed = indexed;
        let len = self.cut_tail(&file, scanned.end, len, scanned.bad)?;
        let Some(state) = self.index.files.get_mut(&segment) else {
            return Err(file.corrupt(0, "the segment of this index log is missing"));
        };
        state.index_log_bytes = len;
        for (partition, extents) in batches {
            self.spans.extend(span_of(&state.file, &extents, None).map(|span| (partition, span)));
            if let Some(open) = &mut state.open {
                open.by_partition.insert(partition, Arc::new(extents));
            }
        }
        Ok(IndexLog { file, end: len })
    }
}
