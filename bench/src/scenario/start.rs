//! From nothing to serving.

use super::{Effort, Figures};
use crate::peer::Peer;

pub(super) fn measure(peer: &mut Peer, _: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    figures.add("start", peer.start_took.as_secs_f64() * 1e3)
}
