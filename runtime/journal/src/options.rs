//! How a journal is set up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidemill_wal::DirectWrites;

use crate::transport::Transport;

/// Settings of one journal on one node.
#[derive(Clone)]
pub struct Options {
    /// Which journal of the cluster.
    pub journal_id: u32,
    /// This node.
    pub node_id: u64,
    /// Folder of this journal; its log goes to `wal/` below, its checkpoints to `state.redb`.
    pub dir: PathBuf,
    /// The nodes that hold this journal, this one among them. Looked at when the journal is first
    /// started; afterwards the membership is what the log says.
    pub voters: Vec<u64>,
    /// How to reach the other voters; none for a journal on one node.
    pub transport: Option<Arc<dyn Transport>>,
    /// Size at which a WAL file is closed.
    pub segment_bytes: u64,
    /// Bytes of recent batches held in memory.
    pub cache_bytes: usize,
    /// Bytes of the newest entries that stay in the operating system's page cache.
    pub page_cache_bytes: u64,
    /// Which entries are written past the page cache.
    pub direct_writes: DirectWrites,
    /// A closed WAL file with no more live bytes than this has them copied forward, so that it can go.
    pub relocate_below_bytes: u64,
    /// Nothing is copied forward while the WAL is no larger than this.
    pub relocate_above_bytes: u64,
    /// Where coalescing of waiting commands into one entry stops.
    pub entry_bytes: usize,
    /// The largest single command.
    pub command_bytes: usize,
    /// Bytes that may wait before [`Journal::room`](crate::Journal::room) makes callers wait; at
    /// twice as much a command is refused.
    pub queue_bytes: usize,
    /// Most entries on their way to disk at once; small ones are two at most.
    pub entries_in_flight: usize,
    /// Free space kept on the file system for commands that make room (archive commits, trims,
    /// and the like) when appends are refused already.
    pub reserve_bytes: u64,
    /// Bound of the WAL's size; above it appends are refused until sealing has made room.
    pub wal_bytes: u64,
    /// How long a change may wait to be checkpointed.
    pub checkpoint_interval: Duration,
    /// WAL bytes after which a checkpoint is due at once.
    pub checkpoint_bytes: u64,
    /// Timing of a journal on more than one node.
    pub timing: Timing,
}

/// Timing of a journal on more than one node. On one node there is nobody to hear a heartbeat, and
/// none is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Interval of the leader's heartbeats, and time limit of one append to a follower. Followers
    /// fsync before they answer: below 100 ms this is too short.
    pub heartbeat: Duration,
    /// Shortest silence of the leader after which a follower stands for election.
    pub election_min: Duration,
    /// Longest such silence.
    pub election_max: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            heartbeat: Duration::from_millis(200),
            election_min: Duration::from_millis(600),
            election_max: Duration::from_millis(1200),
        }
    }
}

const MIB: usize = 1 << 20;

impl Options {
    /// The defaults, for a journal on one node.
    pub fn single(journal_id: u32, node_id: u64, dir: impl Into<PathBuf>) -> Options {
        Options {
            journal_id,
            node_id,
            dir: dir.into(),
            voters: vec![node_id],
            transport: None,
            segment_bytes: 64 * MIB as u64,
            cache_bytes: 32 * MIB,
            page_cache_bytes: 512 * MIB as u64,
            direct_writes: DirectWrites::default(),
            relocate_below_bytes: 4 * MIB as u64,
            relocate_above_bytes: 256 * MIB as u64,
            entry_bytes: 4 * MIB,
            command_bytes: 64 * MIB,
            queue_bytes: 64 * MIB,
            entries_in_flight: 8,
            reserve_bytes: 128 * MIB as u64,
            wal_bytes: u64::MAX,
            checkpoint_interval: Duration::from_secs(5),
            checkpoint_bytes: 64 * MIB as u64,
            timing: Timing::default(),
        }
    }
}
