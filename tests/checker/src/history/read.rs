//! Reads a history from its file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, ensure};

use super::recorder::{Event, Line};
use super::{Operation, Outcome};

/// All operations of a file, by the moment of their invocation.
///
/// # Errors
/// If it is no history.
pub fn read(path: &Path) -> anyhow::Result<Vec<Operation>> {
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    read_from(BufReader::new(file))
}

/// As [`read`], from anything that has lines.
///
/// # Errors
/// As [`read`].
pub fn read_from(lines: impl BufRead) -> anyhow::Result<Vec<Operation>> {
    let mut operations: Vec<Operation> = Vec::new();
    let mut places: HashMap<u64, usize> = HashMap::new();
    for (moment, line) in (0_u64..).zip(lines.lines()) {
        let line: Line = serde_json::from_str(&line?).with_context(|| format!("line {}", moment + 1))?;
        match line.event {
            Event::Invoked(call) => {
                ensure!(places.insert(line.op, operations.len()).is_none(), "operation {} twice", line.op);
                operations.push(Operation {
                    process: line.process,
                    call,
                    invoked: moment,
                    completed: None,
                    outcome: Outcome::Unknown("the history ends before".to_owned()),
                });
            }
            Event::Completed(outcome) => {
                let place = places.get(&line.op).and_then(|place| operations.get_mut(*place));
                let operation = place.with_context(|| format!("operation {} was not invoked", line.op))?;
                ensure!(operation.completed.is_none(), "operation {} ends twice", line.op);
                operation.completed = Some(moment);
                operation.outcome = outcome;
            }
        }
    }
    Ok(operations)
}
