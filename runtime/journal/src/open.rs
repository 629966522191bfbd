//! Opening a journal: the last checkpoint, what the log has after it, and then Raft.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tidemill_disk::Disk;
use tidemill_state::{Checkpoint, CheckpointStore, State};
use tidemill_wal::{LogId, Recovered, StoredEntry, Wal};

use crate::checkpoint::{Checkpointer, Task};
use crate::entry::{MembershipRecord, Payload};
use crate::health::Health;
use crate::journal::{Journal, Parts};
use crate::machine::{Built, Machine};
use crate::proposer::{Inbox, Proposer};
use crate::raft::{Node, NodeParts, WireMembership, decode_membership};
use crate::space::Space;
use crate::writer::Writer;
use crate::{Error, Listener, Options};

/// How much of the log is read at once while it is replayed.
const REPLAY_BYTES: u64 = 16 << 20;
/// As many segments as one sealed object may set free at once; more would wait longer than they are of use.
const MAX_SPARE_FILES: usize = 16;

pub(crate) async fn open(
    options: Options,
    disk: Arc<dyn Disk>,
    listener: Arc<dyn Listener>,
) -> Result<Journal, Error> {
    check(&options)?;
    let health = Arc::new(Health::default());
    let recovery = {
        let (options, disk, health) = (options.clone(), disk.clone(), health.clone());
        tokio::task::spawn_blocking(move || recover(&options, disk, health, listener))
    };
    let machine = Arc::new(recovery.await.map_err(|e| Error::Storage(e.to_string()))??);
    let (writer, writer_thread) =
        Writer::start(options.journal_id, machine.wal.clone(), disk.clone(), health.clone())?;
    let node = start(&options, &machine, writer, &health).await?;
    let inbox = Arc::new(Inbox::new(health.clone(), options.queue_bytes, options.command_bytes));
    let proposer = Proposer {
        inbox: inbox.clone(),
        health: health.clone(),
        space: Space::new(
            disk,
            options.dir.clone(),
            machine.wal.clone(),
            options.reserve_bytes,
            options.wal_bytes,
        ),
        log: node.clone(),
        entry_bytes: options.entry_bytes,
        entries_in_flight: options.entries_in_flight,
    };
    let proposing = tokio::spawn(proposer.run());
    let checkpointer = Checkpointer::start(Task {
        machine: machine.clone(),
        node: node.clone(),
        has_followers: options.voters.len() > 1,
        interval: options.checkpoint_interval,
        bytes: options.checkpoint_bytes,
    });
    let parts = Parts {
        journal_id: options.journal_id,
        node_id: options.node_id,
        health,
        inbox,
        machine,
        node,
        checkpointer,
        ending: tokio::sync::Mutex::new(Some((proposing, writer_thread))),
        next_submitter: AtomicU64::new(1),
    };
    Ok(Journal { parts: Arc::new(parts) })
}

/// Starts Raft. Where that takes writing (a first start) and the disk refuses, this fails rather
/// than to wait for the disk.
async fn start(
    options: &Options,
    machine: &Arc<Machine>,
    writer: Writer,
    health: &Arc<Health>,
) -> Result<Node, Error> {
    let starting = Node::start(NodeParts {
        options,
        machine: machine.clone(),
        writer,
        health: health.clone(),
        transport: options.transport.clone(),
    });
    let refused = async {
        loop {
            health.changed.notified().await;
            if let Some(error) = health.refusal() {
                return error;
            }
        }
    };
    let started = tokio::select! {
        started = starting => started,
        error = refused => Err(error),
    };
    if started.is_err() {
        health.close();
    }
    started
}

fn check(options: &Options) -> Result<(), Error> {
    if !options.voters.contains(&options.node_id) {
        return Err(Error::Invalid("this node is not among the journal's voters".into()));
    }
    if options.voters.len() > 1 && options.transport.is_none() {
        return Err(Error::Invalid("a journal on several nodes needs a transport".into()));
    }
    Ok(())
}

/// Everything that is on disk, in memory again.
fn recover(
    options: &Options,
    disk: Arc<dyn Disk>,
    health: Arc<Health>,
    listener: Arc<dyn Listener>,
) -> Result<Machine, Error> {
    let refused = |e: std::io::Error| Error::Storage(format!("cannot create {}: {e}", options.dir.display()));
    disk.create_dir_all(&options.dir).map_err(refused)?;
    let (wal, recovered) = Wal::open(disk.clone(), &options.dir, wal_options(options))?;
    if let Some(tail) = &recovered.cut {
        tracing::info!(file = tail.file, position = tail.position, reason = tail.reason, "torn tail cut off");
    }
    let store = CheckpointStore::open(disk.clone(), &options.dir.join("state.redb"))?;
    let checkpoint = store.load()?;
    let built = built_of(checkpoint)?;
    let alone = options.voters == [options.node_id];
    check_continuity(&recovered, built.applied, alone)?;
    let machine = Machine::new(wal, store, disk, health, listener, built);
    if alone {
        // Nobody else decides what is committed: whatever is in the log is.
        replay(&machine, options.node_id)?;
    }
    machine.release_hot();
    Ok(machine)
}

fn wal_options(options: &Options) -> tidemill_wal::Options {
    tidemill_wal::Options {
        journal_id: options.journal_id,
        segment_bytes: options.segment_bytes,
        cache_bytes: options.cache_bytes,
        page_cache_bytes: options.page_cache_bytes,
        direct_writes: options.direct_writes,
        relocate_below_bytes: options.relocate_below_bytes,
        relocate_above_bytes: options.relocate_above_bytes,
        spare_files: spare_files(options),
        spare_reserve_bytes: options.reserve_bytes,
        // The bounds for producers' data are looked at before anything is proposed (`space.rs`).
        max_bytes: u64::MAX,
        reserve_bytes: 0,
        ..tidemill_wal::Options::default()
    }
}

/// As many files for the next segments as do not take more than a quarter of what the log may take.
fn spare_files(options: &Options) -> usize {
    let fitting = options.wal_bytes / 4 / options.segment_bytes.max(1);
    usize::try_from(fitting).unwrap_or(usize::MAX).min(MAX_SPARE_FILES)
}

fn built_of(checkpoint: Option<Checkpoint>) -> Result<Built, Error> {
    let Some(Checkpoint { state, position, raft_meta }) = checkpoint else {
        return Ok(Built {
            state: State::new(),
            applied: None,
            membership: WireMembership::default(),
            is_torn: false,
        });
    };
    let applied = LogId { term: position.term, node_id: position.node_id, index: position.index };
    Ok(Built { state, applied: Some(applied), membership: decode_membership(raft_meta)?, is_torn: false })
}

/// The log has to have everything from the checkpoint on.
fn check_continuity(recovered: &Recovered, applied: Option<LogId>, alone: bool) -> Result<(), Error> {
    let next = applied.map_or(0, |applied| applied.index + 1);
    let purged = recovered.purged.map_or(0, |purged| purged.index + 1);
    if next < purged {
        let reason = format!("the checkpoint ends before entry {next}, the log begins at {purged}");
        return Err(Error::Corrupt(reason));
    }
    let end = recovered.last.map_or(0, |last| last.index + 1);
    // The first entry is on disk before a lone replica votes for itself.
    if alone && recovered.vote.is_some() && recovered.last.is_none() {
        return Err(Error::Corrupt("the log is gone, and it was not empty".into()));
    }
    // What was applied before a checkpoint was indexed before it, or its batches could not be found.
    if alone && applied.is_some_and(|applied| recovered.indexed.is_none_or(|indexed| indexed < applied.index))
    {
        let (indexed, next) = (recovered.indexed.unwrap_or_default(), next);
        return Err(Error::Corrupt(format!(
            "the checkpoint ends before entry {next}, the index at {indexed}"
        )));
    }
    // A replica that took a snapshot and died before its log followed is fine, and only that.
    if alone && end < next {
        return Err(Error::Corrupt(format!("the checkpoint goes to entry {next}, the log ends at {end}")));
    }
    Ok(())
}

/// Applies what the log has beyond the checkpoint.
fn replay(machine: &Machine, node_id: u64) -> Result<(), Error> {
    let end = machine.wal.bounds().last.map_or(0, |last| last.index + 1);
    let mut next = machine.position().0.map_or(0, |applied| applied.index + 1);
    while next < end {
        let chunk = machine.wal.read_entries(next..end, REPLAY_BYTES)?;
        if chunk.first().is_none_or(|first| first.log_id.index != next) {
            return Err(Error::Corrupt(format!("entry {next} is not in the log")));
        }
        for stored in chunk {
            next = stored.log_id.index + 1;
            if !replay_entry(machine, node_id, &stored)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Applies one entry, unless from here on others have a say: then openraft finds out what is
/// committed.
fn replay_entry(machine: &Machine, node_id: u64, stored: &StoredEntry) -> Result<bool, Error> {
    match Payload::decode(stored.payload())? {
        Payload::Blank => machine.skip(stored.log_id),
        Payload::Membership(record) if is_alone(&record, node_id) => {
            machine.set_membership(stored.log_id, WireMembership::new(stored.log_id, record));
        }
        Payload::Membership(_) => return Ok(false),
        Payload::Commands(data) => {
            machine.apply_quietly(stored.log_id, &data)?;
        }
    }
    Ok(true)
}

fn is_alone(record: &MembershipRecord, node_id: u64) -> bool {
    record.voters.iter().flatten().all(|voter| *voter == node_id)
}
