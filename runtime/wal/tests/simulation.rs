//! Random histories on a simulated disk, checked against a model.
//!
//! Each seed gives one history of appends, syncs, applies, truncations, purges, releases, reclaims,
//! votes and reads, with power cuts between and inside the calls. After every restart: what was synced is
//! there, what was not is there as a prefix, and every hot batch reads as it was produced.
//!
//! A failing seed replays alone with `TIDEMILL_SIM_SEED=<seed> cargo test -p tidemill-wal --test simulation`;
//! `<first>..<end>` runs many.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod support;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use support::{Entry, batch, log_id, partition};
use tidemill_disk::SimDisk;
use tidemill_disk::sim::{Operation, SimRandom};
use tidemill_records::RecordBatch;
use tidemill_wal::{Error, LogId, Options, Placed, Recovered, Space, Wal};

const PARTITIONS: i32 = 4;

/// Segments of a block and of several.
fn options(seed: u64) -> Options {
    let segment_bytes = if seed % 4 == 3 { 40 << 10 } else { 4 << 10 };
    Options { segment_bytes, ..support::options() }
}

struct History {
    seed: u64,
    random: SimRandom,
    disk: SimDisk,
    wal: Wal,
    term: u64,
    /// Entry n stands at place n - 1.
    log: Vec<Entry>,
    /// What a restart must find at least.
    synced: u64,
    applied: u64,
    /// What the state store has: applied index of the last durable checkpoint.
    checkpoint: u64,
    purged: u64,
    released: BTreeMap<i32, i64>,
    vote: Option<Vec<u8>>,
    vote_in_flight: Option<Vec<u8>>,
    restarts: u32,
    disturbed: bool,
    /// The crash point to crash at, again after every restart, and how often it was passed.
    crash_at: Option<&'static str>,
    crashes_there: u64,
}

impl History {
    fn new(seed: u64) -> History {
        let disk = SimDisk::new(seed);
        let (wal, _) = support::try_open(&disk, options(seed)).unwrap();
        History {
            seed,
            random: SimRandom::new(seed),
            disk,
            wal,
            term: 1,
            log: Vec::new(),
            synced: 0,
            applied: 0,
            checkpoint: 0,
            purged: 0,
            released: BTreeMap::new(),
            vote: None,
            vote_in_flight: None,
            restarts: 0,
            disturbed: false,
            crash_at: None,
            crashes_there: 0,
        }
    }

    /// Crashes whenever this point is passed for the `hit`-th time since the last restart.
    fn crashing_at(seed: u64, name: &'static str) -> History {
        let history = History { crash_at: Some(name), ..History::new(seed) };
        history.disk.crash_at(name, 1);
        history
    }

    fn run(&mut self, steps: u32) {
        for _ in 0..steps {
            if self.crash_at.is_none() && self.random.one_in(12) {
                self.disk.crash_after(1 + self.random.below(12));
            }
            if self.crash_at.is_none() && self.random.one_in(15) {
                self.disturb();
            }
            match self.step() {
                Ok(()) => assert!(!self.disk.has_crashed(), "a crash went unnoticed"),
                Err(_) if self.disk.has_crashed() => self.restart(true),
                // Refused, and nothing happened; it works again when there is room.
                Err(Error::DiskFull { .. } | Error::Io { .. }) if self.disturbed => self.calm(),
                // A cut failed: what the file ends in is unknown until it is opened again.
                Err(Error::Stopped { .. }) if self.disturbed => self.restart(false),
                Err(error) => panic!("{error}"),
            }
        }
        self.calm();
        self.restart(true);
        self.disk.clear_faults();
        self.drain();
    }

    fn step(&mut self) -> Result<(), Error> {
        match self.random.below(24) {
            0..=7 => self.append(),
            8..=10 => self.sync(),
            11..=13 => self.apply(),
            14 => self.truncate(),
            15 => self.save_checkpoint(),
            16 => self.purge(),
            17..=18 => self.release(),
            19 => self.reclaim(),
            20 => self.save_vote(),
            21 => {
                self.check_hot();
                Ok(())
            }
            22 => self.check_log(),
            _ if self.random.one_in(3) => {
                let power_cut = self.random.one_in(2);
                self.restart(power_cut);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Makes the disk nearly full, or a write fail.
    fn disturb(&mut self) {
        self.disturbed = true;
        let kinds = [std::io::ErrorKind::StorageFull, std::io::ErrorKind::Other];
        let kind = kinds[self.random.below(2) as usize];
        let operations = [Operation::Write, Operation::SetLen, Operation::Create, Operation::Rename];
        match self.random.below(5) {
            4 => self.disk.set_capacity(Some(self.disk.used_bytes() + self.random.below(3_000))),
            n => self.disk.fail(operations[n as usize], 1 + self.random.below(3), kind),
        }
    }

    fn calm(&mut self) {
        self.disturbed = false;
        self.disk.set_capacity(None);
        self.disk.clear_failures();
    }

    /// The offset that apply would give the next batch of a partition.
    fn next_offset(&self, number: i32) -> i64 {
        let batches = self.log.iter().flat_map(|entry| &entry.batches);
        let last =
            batches.filter(|(hot, _)| hot.partition == partition(number)).map(|(hot, _)| hot.last_offset);
        last.max().map_or(0, |last| last + 1)
    }

    fn append(&mut self) -> Result<(), Error> {
        let before = self.log.len();
        let mut frames = Vec::new();
        for _ in 0..=self.random.below(2) {
            let index = self.log.len() as u64 + 1;
            let id = LogId { term: self.term, node_id: 1, index };
            let mut appends: Vec<(i32, i64, RecordBatch)> = Vec::new();
            for number in 0..PARTITIONS {
                // The last partition is all but idle.
                if self.random.one_in(if number + 1 == PARTITIONS { 40 } else { 3 }) {
                    let value = vec![index as u8; self.random.below(500) as usize];
                    let records = 1 + self.random.below(3) as i64;
                    appends.push((number, self.next_offset(number), batch(records, &value, index as i64)));
                }
            }
            let entry = Entry::new(id, &appends);
            frames.push(entry.frame.clone());
            self.log.push(entry);
        }
        // One way and the other, each for a while.
        let is_placed = (self.log.len() / 16).is_multiple_of(2);
        let appended = if is_placed {
            self.wal.place(frames, Space::Normal).and_then(|placed| self.write(placed))
        } else {
            self.wal.append(frames, Space::Normal)
        };
        if let Err(Error::DiskFull { .. } | Error::Io { .. }) = appended
            && !self.disk.has_crashed()
        {
            self.log.truncate(before);
        }
        appended
    }

    /// What was placed is durable, and with it what had been appended before. It has its place whatever happens.
    fn write(&mut self, mut placed: Placed) -> Result<(), Error> {
        let mut written = placed.write();
        while let Err(Error::DiskFull { .. }) = written {
            self.disk.clear_failures();
            written = placed.write();
        }
        let upto = written?.upto;
        self.synced = self.log.len() as u64;
        assert_eq!(upto, Some(self.synced));
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        let synced = self.wal.sync()?;
        assert_eq!(synced.upto.unwrap_or(0), self.log.len() as u64);
        self.synced = self.log.len() as u64;
        Ok(())
    }

    fn apply(&mut self) -> Result<(), Error> {
        let upto = (self.applied + 1 + self.random.below(4)).min(self.synced);
        for index in self.applied + 1..=upto {
            let read = self.wal.read_entries(index..index + 1, u64::MAX)?;
            let entry = &self.log[index as usize - 1];
            assert_eq!(read[0].payload(), entry.payload());
            for (hot, _) in &entry.batches {
                self.wal.index_batch(hot.clone())?;
            }
            self.applied = index;
        }
        Ok(())
    }

    fn truncate(&mut self) -> Result<(), Error> {
        let since = self.applied + 1 + self.random.below(5);
        if since > self.log.len() as u64 {
            return Ok(());
        }
        self.synced = self.synced.min(since - 1); // any of the others may go if this is interrupted
        self.wal.truncate_since(since)?;
        self.log.truncate(since as usize - 1);
        self.synced = since - 1;
        self.term += 1;
        Ok(())
    }

    fn save_checkpoint(&mut self) -> Result<(), Error> {
        if self.applied > 0 {
            self.wal.checkpoint_index(self.applied)?;
            self.checkpoint = self.applied;
        }
        Ok(())
    }

    fn purge(&mut self) -> Result<(), Error> {
        if self.checkpoint > self.purged {
            let upto = self.purged + 1 + self.random.below(self.checkpoint - self.purged);
            self.wal.purge_upto(self.log[upto as usize - 1].frame.log_id)?;
            self.purged = upto;
        }
        Ok(())
    }

    fn release(&mut self) -> Result<(), Error> {
        let number = self.random.below(PARTITIONS as u64 - 1) as i32;
        let expected = self.expected(number);
        let Some((_, last)) = expected.last() else {
            return Ok(());
        };
        let start = self.released.get(&number).copied().unwrap_or(0);
        let room = (last.last_offset() + 1 - start).max(0) as u64;
        let upto = start + self.random.below(room + 1) as i64;
        self.wal.hot().release(partition(number), upto);
        self.released.insert(number, upto);
        Ok(())
    }

    fn reclaim(&mut self) -> Result<(), Error> {
        self.wal.reclaim(self.checkpoint)?;
        let small: u64 = ["vote", "purged"].map(|name| self.file_len(name)).iter().sum();
        assert_eq!(self.wal.usage().total_bytes + small, self.disk.used_bytes(), "usage is exact");
        Ok(())
    }

    fn file_len(&self, name: &str) -> u64 {
        let path = std::path::Path::new(support::DIR).join("wal").join(name);
        self.disk.contents(&path).map_or(0, |content| content.len() as u64)
    }

    fn save_vote(&mut self) -> Result<(), Error> {
        let vote = self.random.next_u64().to_le_bytes().to_vec();
        self.vote_in_flight = Some(vote.clone());
        self.wal.save_vote(&vote)?;
        self.vote = Some(vote);
        Ok(())
    }

    fn check_log(&mut self) -> Result<(), Error> {
        let from = self.random.below(self.log.len() as u64 + 2);
        let read = self.wal.read_entries(from..u64::MAX, self.random.below(3_000))?;
        let first = from.max(self.purged + 1);
        assert_eq!(read.is_empty(), first > self.log.len() as u64);
        for (nth, read) in read.iter().enumerate() {
            let expected = &self.log[first as usize - 1 + nth];
            assert_eq!((read.log_id, read.payload()), (expected.frame.log_id, expected.payload().into()));
        }
        Ok(())
    }

    /// Batches of a partition that must be readable: of applied entries, not wholly released.
    fn expected(&self, number: i32) -> Vec<(u64, RecordBatch)> {
        let released = self.released.get(&number).copied().unwrap_or(0);
        let applied = self.log.iter().take(self.applied as usize).flat_map(|entry| &entry.batches);
        let hot =
            applied.filter(|(hot, _)| hot.partition == partition(number) && hot.last_offset >= released);
        hot.map(|(hot, batch)| (hot.entry_index, batch.patched(hot.base_offset, hot.leader_epoch))).collect()
    }

    fn check_hot(&mut self) {
        for number in 0..PARTITIONS {
            let expected: Vec<RecordBatch> =
                self.expected(number).into_iter().map(|(_, batch)| batch).collect();
            let Some(first) = expected.first() else {
                assert_eq!(self.wal.hot().start(partition(number)), None);
                continue;
            };
            let released = self.released.get(&number).copied().unwrap_or(0);
            let start = first.base_offset().max(released);
            assert_eq!(self.wal.hot().start(partition(number)), Some(start));
            let mut found = Vec::new();
            let mut offset = start;
            loop {
                let max_bytes = self.random.below(2_000) as usize;
                let read = self.wal.hot().read(partition(number), offset, max_bytes, true).unwrap();
                self.check_cached(number, offset, max_bytes, &read.batches);
                if read.batches.is_empty() {
                    break;
                }
                offset = read.next;
                found.extend(read.batches);
            }
            assert_eq!(found, expected, "partition {number}");
        }
    }

    /// What memory alone gives is what the files give, or less of it.
    fn check_cached(&self, number: i32, offset: i64, max_bytes: usize, expected: &[RecordBatch]) {
        let cached = self.wal.hot().read_cached(partition(number), offset, max_bytes, true).unwrap();
        if let Some(cached) = cached {
            assert!(!cached.batches.is_empty() && expected.starts_with(&cached.batches));
            assert_eq!(Some(cached.next), cached.batches.last().map(RecordBatch::next_offset));
        }
    }

    /// Stops the process, with or without a power cut, and starts it again.
    fn restart(&mut self, power_cut: bool) {
        self.restarts += 1;
        self.calm();
        if let Some(name) = self.crash_at.filter(|_| self.disk.has_crashed()) {
            self.crashes_there += self.disk.crash_points()[name];
        }
        if power_cut || self.disk.has_crashed() {
            self.disk = self.disk.crash();
        }
        if self.crash_at.is_none() && self.random.one_in(4) {
            self.disk.crash_after(1 + self.random.below(6)); // again while recovering
        }
        let (wal, recovered) = loop {
            match support::try_open(&self.disk, options(self.seed)) {
                Ok(opened) => break opened,
                Err(_) if self.disk.has_crashed() => self.disk = self.disk.crash(),
                Err(error) => panic!("{error}"),
            }
        };
        self.disk.clear_faults();
        self.wal = wal;
        self.check_recovered(&recovered);
        // What the journal does: take the checkpoint, replay from there.
        let applied = self.applied;
        self.applied = self.checkpoint;
        while self.applied < applied {
            self.apply().unwrap();
        }
        for (number, upto) in &self.released {
            self.wal.hot().release(partition(*number), *upto);
        }
        self.check_hot();
        if let Some(name) = self.crash_at {
            self.disk.crash_at(name, 1 + self.random.below(3));
        }
    }

    fn check_recovered(&mut self, recovered: &Recovered) {
        let last = recovered.last.map_or(0, |last| last.index);
        assert!(last >= self.synced, "synced {} but recovered {last}", self.synced);
        assert!(last <= self.log.len() as u64);
        self.log.truncate(last as usize);
        self.synced = last; // a recovered log is durable
        assert!(recovered.indexed.unwrap_or(0) >= self.checkpoint);
        self.purged = recovered.purged.map_or(0, |purged| purged.index);
        let first = recovered.first_index.unwrap_or(last + 1);
        assert!(first <= self.checkpoint + 1, "replay needs {} but {first} is first", self.checkpoint + 1);
        let entries = self.wal.read_entries(0..u64::MAX, u64::MAX).unwrap();
        assert_eq!(entries.len() as u64, last + 1 - first);
        for entry in entries {
            let expected = &self.log[entry.log_id.index as usize - 1];
            assert_eq!((entry.log_id, entry.payload()), (expected.frame.log_id, expected.payload().into()));
        }
        assert!(recovered.vote == self.vote || recovered.vote == self.vote_in_flight);
        self.vote.clone_from(&recovered.vote);
        self.vote_in_flight.clone_from(&recovered.vote);
        self.term += 1;
    }

    /// When everything is released, everything but the active file goes.
    fn drain(&mut self) {
        self.sync().unwrap();
        while self.applied < self.synced {
            self.apply().unwrap();
        }
        if self.applied == 0 {
            return;
        }
        self.save_checkpoint().unwrap();
        self.wal.purge_upto(log_id(self.applied)).unwrap();
        for number in 0..PARTITIONS {
            self.wal.hot().release(partition(number), i64::MAX);
        }
        self.wal.reclaim(self.applied).unwrap();
        assert_eq!(self.wal.usage().files.len(), 1);
        assert_eq!(self.wal.usage().live_bytes, 0);
    }
}

#[test]
fn histories_with_power_cuts() {
    let seeds = match std::env::var("TIDEMILL_SIM_SEED") {
        Ok(wanted) => {
            let (first, end) = wanted.split_once("..").unwrap_or((&wanted, ""));
            let first: u64 = first.parse().unwrap();
            first..end.parse().unwrap_or(first + 1)
        }
        Err(_) => 0..300,
    };
    let mut restarts = 0;
    for seed in seeds.clone() {
        let mut history = History::new(seed);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| history.run(250))) {
            eprintln!("the history of seed {seed} failed after {} restarts", history.restarts);
            resume_unwind(panic);
        }
        restarts += history.restarts;
    }
    assert!(u64::from(restarts) > (seeds.end - seeds.start) * 3, "only {restarts} restarts");
}

/// Every named crash point of the log.
const CRASH_POINTS: [&str; 18] = [
    "append:written",
    "append:synced",
    "direct:placed",
    "direct:written",
    "segment:unnamed",
    "segment:created",
    "footer:written",
    "footer:synced",
    "index:written",
    "index:synced",
    "truncate:file-removed",
    "truncate:cut",
    "value:written",
    "relocation:unnamed",
    "relocation:published",
    "reclaim:purge-saved",
    "reclaim:file-removed",
    "reclaim:synced",
];

#[test]
fn histories_that_crash_at_each_named_point() {
    for name in CRASH_POINTS {
        let mut crashes = 0;
        for seed in 0..40 {
            let mut history = History::crashing_at(seed, name);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| history.run(150))) {
                eprintln!("crashing at {name}: the history of seed {seed} failed");
                resume_unwind(panic);
            }
            crashes += history.crashes_there;
        }
        assert!(crashes >= 5, "{name} was hit {crashes} times");
    }
}
