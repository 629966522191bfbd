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
    figures.add("transaction.commit.p50", taken.commit.percentile(0.50))?;
    figures.add("transaction.commit.p99", taken.commit.percentile(0.99))?;
    figures.add("transaction.p50", taken.whole.percentile(0.50))?;
    figures.add("transaction.p99", taken.whole.percentile(0.99))
}
