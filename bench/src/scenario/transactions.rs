//! How long a producer waits for a transaction.

use super::{Effort, Figures};
use crate::load::transaction::Transactions;
use crate::peer::Peer;

const PARTITIONS: i32 = 3;

pub(super) fn measure(peer: &mut Peer, effort: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    peer.create("transactions", PARTITIONS)?;
    let mut transactions = Transactions::begin(peer.addr(), "transactions", PARTITIONS)?;
    // Java compiles meanwhile.
    transactions.run(effort.load)?;
    let mut taken = transactions.run(effort.load)?;
    let who = figures.who;
    let rows = [("transaction.commit.p50", 0.5), ("transaction.commit.p99", 0.99)];
    figures.add_percentiles(who, &mut taken.commit, &rows)?;
    figures.add_percentiles(who, &mut taken.whole, &[("transaction.p50", 0.5), ("transaction.p99", 0.99)])
}
