//! Members of a group that commit their positions outside of transactions.

use std::time::Duration;

use rand::RngExt;

use super::reader::{Reader, positions_behind};
use super::{AUDITORS, Run, WRITTEN};

const PATIENCE: Duration = Duration::from_millis(100);

/// Reads until told to stop, with one client after another.
pub(super) fn work(run: &Run, number: u64) {
    let mut random = run.random("auditor", number);
    while run.is_reading() {
        let Some(reader) = Reader::member(run, "auditor", AUDITORS, &WRITTEN) else { continue };
        for _ in 0..random.random_range(20..120) {
            if !run.is_reading() {
                return;
            }
            let Ok(polled) = reader.poll(random.random_range(1..200), PATIENCE) else { break };
            // What a poll gave is committed before the next, in which the group may rebalance.
            if !polled.is_empty() && !reader.commit(AUDITORS, positions_behind(&polled)) {
                break;
            }
        }
    }
}
