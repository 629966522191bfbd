//! The invariants, each a function that says what broke it.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, ensure};
use serde_json::Value;
use tidemill_http_server::api::ArchiveStatus;

use crate::history::{Outcome, Sent};
use crate::reader::Read;

/// Minutes of delay above which the transform keeps a flight.
const LATE_MINUTES: i64 = 60;

/// Every acknowledged record is where the broker said, once; every other at most once; nothing else.
///
/// # Errors
/// With the first record that breaks this.
pub fn acknowledged_is_stored(sent: &[Sent], partitions: &[Vec<Read>]) -> anyhow::Result<()> {
    let mut found: HashMap<u64, (i32, i64)> = HashMap::new();
    for (partition, records) in (0_i32..).zip(partitions) {
        for record in records {
            let id = record.flight()?;
            let before = found.insert(id, (partition, record.offset));
            ensure!(
                before.is_none(),
                "record {id:#x} is stored twice: {before:?} and {partition}-{}",
                record.offset
            );
        }
    }
    let mut known = HashSet::new();
    for batch in sent {
        for (index, id) in (batch.first_id..batch.first_id + batch.count).enumerate() {
            known.insert(id);
            match (batch.outcome, found.get(&id)) {
                (Outcome::Acked { base_offset }, stored) => {
                    let expected = (batch.partition, base_offset + i64::try_from(index)?);
                    ensure!(
                        stored == Some(&expected),
                        "record {id:#x} was acked at {expected:?} and is at {stored:?}"
                    );
                }
                (Outcome::Unknown, None) => {}
                (Outcome::Unknown, Some((partition, _))) => {
                    ensure!(*partition == batch.partition, "record {id:#x} is in partition {partition}");
                }
            }
        }
    }
    let strangers = found.keys().filter(|id| !known.contains(id)).count();
    ensure!(strangers == 0, "{strangers} records are stored that nobody sent");
    Ok(())
}

/// Records of one producer stand in the order in which it sent them.
///
/// # Errors
/// With the first pair out of order.
pub fn order_is_kept(partitions: &[Vec<Read>]) -> anyhow::Result<()> {
    for (partition, records) in partitions.iter().enumerate() {
        let mut last: HashMap<u64, u64> = HashMap::new();
        for record in records {
            let id = record.flight()?;
            let before = last.insert(id >> 40, id);
            ensure!(
                before.is_none_or(|before| before < id),
                "partition {partition}: {before:#x?} stands before {id:#x}"
            );
        }
    }
    Ok(())
}

/// The output is what the transform makes of the input: each record once, in order.
///
/// # Errors
/// With the first difference.
pub fn transformed_exactly_once(inputs: &[Vec<Read>], outputs: &[Vec<Read>]) -> anyhow::Result<()> {
    for (partition, (input, output)) in inputs.iter().zip(outputs).enumerate() {
        let mut expected = Vec::new();
        for record in input {
            if record.json()?.get("dep_delay").and_then(Value::as_i64).context("no delay")? > LATE_MINUTES {
                expected.push(record.flight()?);
            }
        }
        let found = output.iter().map(Read::flight).collect::<anyhow::Result<Vec<_>>>()?;
        let differs = expected.iter().zip(&found).position(|(a, b)| a != b);
        ensure!(
            expected == found,
            "partition {partition}: {} records expected, {} found, first difference at {differs:?}",
            expected.len(),
            found.len()
        );
    }
    Ok(())
}

/// The receiver has each output record once.
///
/// # Errors
/// With how many it has too many or too few.
pub fn delivered_exactly_once(outputs: &[Vec<Read>], delivered: &[u64]) -> anyhow::Result<()> {
    let mut expected = outputs.iter().flatten().map(Read::flight).collect::<anyhow::Result<Vec<_>>>()?;
    expected.sort_unstable();
    ensure!(expected == delivered, "{} outputs, {} delivered", expected.len(), delivered.len());
    Ok(())
}

/// The live objects follow one another without a gap up to the archived end, and their rows are the
/// offsets they cover (nothing in this workload leaves gaps).
///
/// # Errors
/// With the object that breaks this.
pub fn archive_is_contiguous(status: &ArchiveStatus) -> anyhow::Result<()> {
    for part in &status.partitions {
        let mut next = part.log_start_offset;
        for object in &part.objects {
            ensure!(object.base_offset == next, "{} does not begin at {next}", object.path);
            let covered = u64::try_from(object.last_offset + 1 - object.base_offset)?;
            ensure!(object.rows == covered, "{} has {} rows for {covered} offsets", object.path, object.rows);
            next = object.last_offset + 1;
        }
        ensure!(
            next == part.archived_end,
            "partition {}: objects end at {next}, the archive at {}",
            part.partition,
            part.archived_end
        );
    }
    Ok(())
}
