//! How long a consumer group takes to come together.

use super::{Effort, Figures};
use crate::load::member::join_time;
use crate::peer::Peer;

const REPEATS: usize = 20;
const MANY: usize = 200;
const MANY_REPEATS: usize = 3;

pub(super) fn measure(peer: &mut Peer, _: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    let addr = peer.addr();
    // Kafka makes its topic of offsets, and compiles.
    join_time(addr, "warm-up", 1)?;
    for repeat in 0..REPEATS {
        figures.add("group.1", join_time(addr, &format!("alone-{repeat}"), 1)?.as_secs_f64() * 1e3)?;
    }
    for repeat in 0..MANY_REPEATS {
        figures.add("group.200", join_time(addr, &format!("many-{repeat}"), MANY)?.as_secs_f64() * 1e3)?;
    }
    Ok(())
}
