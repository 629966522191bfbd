//! What must hold of every history, one file per family of anomalies.

mod archive;
mod committed_offsets;
mod duplicates;
mod isolation;
mod lost_writes;
mod offsets;
mod phantoms;
mod polls;
mod real_time;
mod sends;
mod torn;
mod watermarks;
mod zombies;

use crate::{Anomaly, Index};

/// Everything that is wrong with a history.
pub fn all(index: &Index<'_>) -> Vec<Anomaly> {
    let checks: [fn(&Index<'_>) -> Vec<Anomaly>; 12] = [
        lost_writes::check,
        offsets::check,
        duplicates::check,
        phantoms::check,
        polls::check,
        sends::check,
        isolation::check,
        torn::check,
        committed_offsets::check,
        watermarks::check,
        zombies::check,
        archive::check,
    ];
    checks.into_iter().flat_map(|check| check(index)).collect()
}
