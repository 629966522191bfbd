//! What a history holds, in a few lines.

use std::collections::BTreeMap;
use std::fmt;

use crate::history::{Answer, Call, Operation, Outcome};
use crate::{Anomaly, Index, checks};

/// How many findings of a kind are shown.
const SHOWN: usize = 5;

/// How often something was done, failed, or its outcome is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Told that it was done.
    pub ok: usize,
    /// Told that it was not.
    pub failed: usize,
    /// Never told.
    pub unknown: usize,
}

/// Operations by kind and outcome, and the anomalies.
pub struct Report {
    kinds: BTreeMap<&'static str, Counts>,
    records_read: usize,
    anomalies: Vec<Anomaly>,
}

impl Report {
    /// Checks a history.
    pub fn of(operations: &[Operation]) -> Self {
        let mut kinds: BTreeMap<_, Counts> = BTreeMap::new();
        let mut records_read = 0;
        for operation in operations {
            let counts = kinds.entry(kind(&operation.call)).or_default();
            match &operation.outcome {
                Outcome::Ok(answer) => {
                    counts.ok += 1;
                    if let Answer::Records(records) = answer {
                        records_read += records.iter().map(|(_, records)| records.len()).sum::<usize>();
                    }
                }
                Outcome::Failed(_) => counts.failed += 1,
                Outcome::Unknown(_) => counts.unknown += 1,
            }
        }
        Self { kinds, records_read, anomalies: checks::all(&Index::new(operations)) }
    }

    /// How operations of a kind ended.
    pub fn counts(&self, kind: &str) -> Counts {
        self.kinds.get(kind).copied().unwrap_or_default()
    }

    /// What is wrong.
    pub fn anomalies(&self) -> &[Anomaly] {
        &self.anomalies
    }
}

fn kind(call: &Call) -> &'static str {
    match call {
        Call::Init { .. } => "init",
        Call::Send { transaction: None, .. } => "send",
        Call::Send { transaction: Some(_), copy_of: None, .. } => "send in a transaction",
        Call::Send { transaction: Some(_), copy_of: Some(_), .. } => "copy in a transaction",
        Call::SendOffsets { .. } => "send offsets",
        Call::Commit { .. } => "commit",
        Call::Abort { .. } => "abort",
        Call::Assign { .. } => "assign",
        Call::Seek { .. } => "seek",
        Call::Poll { .. } => "poll",
        Call::CommitOffsets { .. } => "commit offsets",
        Call::FetchOffsets { .. } => "fetch offsets",
        Call::Watermarks { .. } => "watermarks",
        Call::ReadAll { archived: false, .. } => "read all",
        Call::ReadAll { archived: true, .. } => "read all, archived",
        Call::Verify { .. } => "verify",
        Call::Nemesis(_) => "nemesis",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<24}{:>8}{:>8}{:>8}", "operation", "ok", "failed", "unknown")?;
        for (kind, Counts { ok, failed, unknown }) in &self.kinds {
            writeln!(f, "{kind:<24}{ok:>8}{failed:>8}{unknown:>8}")?;
        }
        writeln!(f, "{} records read, {} anomalies", self.records_read, self.anomalies.len())?;
        let mut names: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for anomaly in &self.anomalies {
            names.entry(anomaly.name).or_default().push(&anomaly.detail);
        }
        for (name, details) in names {
            writeln!(f, "{name}: {}", details.len())?;
            for detail in details.iter().take(SHOWN) {
                writeln!(f, "  {detail}")?;
            }
        }
        Ok(())
    }
}
