//! What is measured, one file each. A scenario gets a broker with empty data and adds figures.

mod connections;
mod consume;
mod flat;
mod groups;
mod latency;
mod memory;
mod partitions;
mod produce;
mod raw;
mod steady;
mod transactions;
mod transform;

use std::path::Path;
use std::time::Duration;

use crate::peer::{Kind, Peer, Settings};
use crate::report::{OtherLoad, Report, own_cpu_s};

/// How long things take.
#[derive(Clone, Copy)]
pub struct Effort {
    /// Each throughput measurement.
    pub load: Duration,
    /// The steady state.
    pub steady: Duration,
}

/// Figures of one broker in one round.
pub struct Figures<'a> {
    report: &'a mut Report,
    kind: Kind,
}

impl Figures<'_> {
    fn add(&mut self, id: &'static str, value: f64) -> anyhow::Result<()> {
        self.report.add(id, self.kind, value)
    }
}

type Measure = fn(&mut Peer, Effort, &mut Figures<'_>) -> anyhow::Result<()>;

/// A scenario.
pub struct Scenario {
    /// What `--only` calls it.
    pub name: &'static str,
    settings: Settings<'static>,
    /// Who takes part.
    kinds: &'static [Kind],
    measure: Measure,
}

/// Nothing is sealed while the hot path is measured: what one run writes fits many times.
const HOT: Settings<'static> =
    Settings { tidemill: &[("hot.bytes", "34359738368"), ("log.segment.bytes", "17179869184")], kafka: &[] };
const DEFAULTS: Settings<'static> = Settings { tidemill: &[], kafka: &[] };
/// Mapped index files of 10 MiB for each partition would distort what Kafka takes.
const SMALL_INDEXES: Settings<'static> =
    Settings { tidemill: &[], kafka: &[("log.index.size.max.bytes", "131072")] };
/// Both delete what is beyond a bound: ours from the log after sealing, Kafka what retention leaves.
const BOUNDED: Settings<'static> = Settings {
    tidemill: &[("hot.bytes", "2147483648"), ("log.segment.bytes", "134217728")],
    kafka: &[
        ("log.segment.bytes", "134217728"),
        ("log.retention.bytes", "268435456"),
        ("log.retention.check.interval.ms", "5000"),
    ],
};
/// A group is not held back for members that may come.
const NO_DELAY: Settings<'static> = Settings {
    tidemill: &[("group.initial.rebalance.delay.ms", "0")],
    kafka: &[("group.initial.rebalance.delay.ms", "0")],
};
const BOTH: &[Kind] = &[Kind::Tidemill, Kind::Kafka];
const OURS: &[Kind] = &[Kind::Tidemill];

/// All scenarios, in the order of a round.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "raw", settings: DEFAULTS, kinds: OURS, measure: raw::measure },
    Scenario { name: "start", settings: DEFAULTS, kinds: BOTH, measure: |_, _, _| Ok(()) },
    Scenario { name: "latency", settings: HOT, kinds: BOTH, measure: latency::measure },
    Scenario { name: "produce", settings: HOT, kinds: &Kind::ALL, measure: produce::measure },
    Scenario { name: "consume", settings: HOT, kinds: BOTH, measure: consume::measure },
    Scenario { name: "flat", settings: HOT, kinds: BOTH, measure: flat::measure },
    Scenario { name: "partitions", settings: SMALL_INDEXES, kinds: &Kind::ALL, measure: partitions::measure },
    Scenario { name: "connections", settings: DEFAULTS, kinds: BOTH, measure: connections::measure },
    Scenario { name: "groups", settings: NO_DELAY, kinds: BOTH, measure: groups::measure },
    Scenario { name: "transactions", settings: DEFAULTS, kinds: &Kind::ALL, measure: transactions::measure },
    Scenario { name: "transform", settings: DEFAULTS, kinds: BOTH, measure: transform::measure },
    Scenario { name: "steady", settings: BOUNDED, kinds: BOTH, measure: steady::measure },
];

impl Scenario {
    /// Measures everybody who takes part, one after another.
    ///
    /// With `only`, nobody else; `backwards` for every second round, so that nobody is always first.
    pub fn run(
        &self,
        dir: &Path,
        effort: Effort,
        only: &[Kind],
        backwards: bool,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        println!("\n== {}", self.name);
        let mut kinds: Vec<Kind> = self.kinds.to_vec();
        kinds.retain(|kind| only.is_empty() || only.contains(kind));
        if backwards {
            kinds.reverse();
        }
        for kind in &kinds {
            memory::touch();
            let load = OtherLoad::begin();
            let own_before = own_cpu_s();
            let (mut peer, took) = Peer::start(*kind, dir, self.settings)?;
            let mut figures = Figures { report, kind: *kind };
            if self.name == "start" {
                figures.add("start", took.as_secs_f64() * 1e3)?;
            }
            (self.measure)(&mut peer, effort, &mut figures)?;
            let ours = own_cpu_s() - own_before + peer.usage()?.cpu_s;
            report.other_load(self.name, load.percent(ours));
            peer.end()?;
        }
        Ok(())
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
