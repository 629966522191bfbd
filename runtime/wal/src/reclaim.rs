//! Deleting files that nobody needs.
//!
//! A file may go when it has its footer, its entries are purged and at or below the checkpoint, every
//! batch in it is released, and no reader holds it. The purge position is made durable first: it is
//! what explains the gap to a recovery, whichever of the removals a crash keeps.

use std::sync::Arc;

use crate::checkpoint::Maintenance;
use crate::error::Error;
use crate::file::WalFile;
use crate::hot::span::Span;
use crate::index::FileState;
use crate::names::FileId;
use crate::relocate::relocate;
use crate::shared::Shared;
use crate::spare::{self, Spare};
use crate::truncate::save_purged;
use crate::types::WalPartition;
use crate::usage::Reclaimed;

/// Deletes and relocates what is settled at `checkpointed`.
pub(crate) fn reclaim(shared: &Shared, checkpointed: u64) -> Result<Reclaimed, Error> {
    shared.running()?;
    let mut maintenance = shared.maintenance.lock();
    let mut done = Reclaimed::default();
    let Some(purged) = shared.index.read().purged else {
        return Ok(done);
    };
    let bound = purged.index.min(checkpointed);
    recount(shared, &mut maintenance, bound)?;
    delete_released(shared, bound, &mut done)?;
    done.relocated_bytes = relocate(shared, &mut maintenance, bound)?;
    if done.relocated_bytes > 0 {
        delete_released(shared, bound, &mut done)?;
    }
    Ok(done)
}

/// Counts the live bytes of spans that are released in part.
fn recount(shared: &Shared, maintenance: &mut Maintenance, bound: u64) -> Result<(), Error> {
    let inexact: Vec<(WalPartition, Span, Arc<WalFile>)> = {
        let index = shared.index.read();
        let first_spans = index.partitions.iter().flat_map(|(id, partition)| {
            partition.spans.iter().filter(|span| !span.exact).map(move |span| (*id, *span))
        });
        let settled = first_spans.filter_map(|(id, span)| {
            let state = index.files.get(&span.file).filter(|state| index.is_settled(state, bound))?;
            Some((id, span, Arc::clone(&state.file)))
        });
        settled.collect()
    };
    for (id, counted, file) in inexact {
        let Some(section) = counted.section.filter(|_| !maintenance.damaged.contains(&counted.file)) else {
            continue;
        };
        let extents = match shared.section(&file, section) {
            Ok(extents) => extents,
            Err(error) => {
                maintenance.leave_out(counted.file, error)?;
                continue;
            }
        };
        let needed = extents.iter().filter(|extent| extent.last_offset >= counted.from);
        let bytes = needed.map(|extent| u64::from(extent.size)).sum();
        let mut index = shared.index.write();
        let spans = index.partitions.get_mut(&id).map(|partition| partition.spans.iter_mut());
        // It may have been released further, moved or forgotten meanwhile.
        if let Some(span) = spans.into_iter().flatten().find(|span| **span == counted) {
            span.bytes = bytes;
            span.exact = true;
            let exact = *span;
            index.remove_live(&counted);
            index.add_live(&exact);
        }
    }
    Ok(())
}

fn delete_released(shared: &Shared, bound: u64, done: &mut Reclaimed) -> Result<(), Error> {
    let (dead, purged) = {
        let index = shared.index.read();
        let dead =
            index.files.iter().filter(|(_, state)| index.is_settled(state, bound) && state.live_bytes == 0);
        (dead.map(|(id, _)| *id).collect::<Vec<FileId>>(), index.purged)
    };
    let (Some(purged), false) = (purged, dead.is_empty()) else {
        return Ok(());
    };
    save_purged(shared, purged)?;
    shared.crash_point("reclaim:purge-saved")?;
    let mut recycled = Vec::new();
    let removed = discard_unread(shared, dead, &mut recycled, done);
    shared.sync_dir()?;
    spare::add(shared, recycled);
    removed?;
    shared.crash_point("reclaim:synced")
}

/// Takes files away that no reader holds. What is to be kept as a spare goes into `recycled`.
fn discard_unread(
    shared: &Shared,
    dead: Vec<FileId>,
    recycled: &mut Vec<Spare>,
    done: &mut Reclaimed,
) -> Result<(), Error> {
    for id in dead {
        let removed = {
            let mut index = shared.index.write();
            let unused = |state: &FileState| state.live_bytes == 0 && Arc::strong_count(&state.file) == 1;
            if !index.files.get(&id).is_some_and(unused) {
                done.held_files += 1; // a reader is on it: next time
                continue;
            }
            index.files.remove(&id)
        };
        let Some(state) = removed else { continue };
        let bytes = state.bytes;
        match discard(shared, id, bytes, recycled.len()) {
            Ok(name) => {
                let file = Arc::clone(&state.file.disk);
                recycled.extend(name.map(|name| Spare { name, file, bytes }));
            }
            Err(error) => {
                shared.index.write().files.insert(id, state);
                return Err(error);
            }
        }
        done.deleted_files += 1;
        done.deleted_bytes += bytes;
        shared.crash_point("reclaim:file-removed")?;
    }
    Ok(())
}

/// Takes a file's name away. Gives its new one if it is to be a spare.
fn discard(shared: &Shared, id: FileId, bytes: u64, recycled: usize) -> Result<Option<String>, Error> {
    let kept = matches!(id, FileId::Segment(_)).then(|| spare::name_for(shared, bytes, recycled)).flatten();
    let Some(name) = kept else {
        return shared.remove(&id.name()).map(|()| None);
    };
    let renamed = shared.disk.rename(&shared.dir.join(id.name()), &shared.dir.join(&name));
    renamed.map_err(Error::io("rename", &id.name()))?;
    Ok(Some(name))
}
