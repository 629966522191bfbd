//! What is measured, one file each. A scenario gets a broker with empty data, or none, and adds figures.

mod codecs;
mod connections;
mod consume;
mod disk;
mod flat;
mod functions;
mod groups;
mod latency;
mod memory;
mod partitions;
mod produce;
mod raw;
mod sealing;
mod start;
mod steady;
mod tools;
mod transactions;
mod transform;

use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::load::latency::Latencies;
use crate::peer::{Kind, Peer, Place, Settings};
use crate::report::{OtherLoad, Report, Speedometer, Who, own_cpu_s};

/// How long things take.
#[derive(Clone, Copy)]
pub struct Effort {
    /// Each throughput measurement.
    pub load: Duration,
    /// Each measurement of latency at a fixed rate.
    pub latency: Duration,
    /// The steady state.
    pub steady: Duration,
}

/// Figures of one measurement.
pub struct Figures<'a> {
    report: &'a mut Report,
    /// Whose they are, if nothing else is said.
    who: Who,
}

impl Figures<'_> {
    fn add(&mut self, id: &'static str, value: f64) -> anyhow::Result<()> {
        self.add_of(self.who, id, value)
    }

    fn add_of(&mut self, who: Who, id: &'static str, value: f64) -> anyhow::Result<()> {
        self.report.add(id, who, value)
    }

    /// Shares (0 to 1) of latencies, each in its row.
    fn add_percentiles(
        &mut self,
        who: Who,
        latencies: &mut Latencies,
        rows: &[(&'static str, f64)],
    ) -> anyhow::Result<()> {
        rows.iter().try_for_each(|(id, share)| self.add_of(who, id, latencies.percentile(*share)))
    }
}

/// How to measure.
enum Measure {
    /// Without a broker, in a folder on the disk that is measured.
    Alone(fn(&Path, Effort, &mut Figures<'_>) -> anyhow::Result<()>),
    /// Each of these brokers with these settings, one after another.
    Brokers(
        &'static [Kind],
        Settings<'static>,
        fn(&mut Peer, Effort, &mut Figures<'_>) -> anyhow::Result<()>,
    ),
}

/// A scenario.
pub struct Scenario {
    /// What `--only` calls it.
    pub name: &'static str,
    measure: Measure,
}

/// Nothing is sealed while the hot path is measured: what one run writes fits many times.
const HOT: Settings<'static> =
    Settings { tidemill: &[("hot.bytes", "34359738368"), ("log.segment.bytes", "17179869184")], kafka: &[] };
const DEFAULTS: Settings<'static> = Settings { tidemill: &[], kafka: &[] };
/// Mapped index files of 10 MiB for each partition would distort what Kafka takes.
const SMALL_INDEXES: Settings<'static> =
    Settings { tidemill: &[], kafka: &[("log.index.size.max.bytes", "131072")] };
/// Both delete what is beyond a bound: ours from the log after sealing and then from the archive, Kafka from its log.
const BOUNDED: Settings<'static> = Settings {
    tidemill: &[
        ("hot.bytes", "2147483648"),
        ("log.segment.bytes", "134217728"),
        ("log.retention.bytes", "1073741824"),
        ("log.retention.check.interval.ms", "5000"),
        ("log.segment.delete.delay.ms", "1000"),
    ],
    kafka: &[
        ("log.segment.bytes", "134217728"),
        ("log.retention.bytes", "1073741824"),
        ("log.retention.check.interval.ms", "5000"),
        ("log.segment.delete.delay.ms", "1000"),
    ],
};
/// A group is not held back for members that may come.
const NO_DELAY: Settings<'static> = Settings {
    tidemill: &[("group.initial.rebalance.delay.ms", "0")],
    kafka: &[("group.initial.rebalance.delay.ms", "0")],
};
const OURS: &[Kind] = &[Kind::Tidemill];
const BOTH: &[Kind] = &[Kind::Tidemill, Kind::Kafka];
const ALL: &[Kind] = &Kind::ALL;

/// All scenarios, in the order of a round.
pub const SCENARIOS: &[Scenario] = &[
    alone("raw", raw::measure),
    alone("codecs", codecs::measure),
    alone("functions", functions::measure),
    brokers("start", BOTH, DEFAULTS, start::measure),
    brokers("latency", BOTH, HOT, latency::measure),
    alone("disk", disk::measure),
    brokers("produce", ALL, HOT, produce::measure),
    brokers("sealing", OURS, HOT, sealing::measure),
    brokers("consume", BOTH, HOT, consume::measure),
    brokers("flat", BOTH, HOT, flat::measure),
    brokers("partitions", ALL, SMALL_INDEXES, partitions::measure),
    brokers("connections", BOTH, DEFAULTS, connections::measure),
    brokers("groups", BOTH, NO_DELAY, groups::measure),
    brokers("transactions", ALL, DEFAULTS, transactions::measure),
    brokers("transform", BOTH, DEFAULTS, transform::measure),
    brokers("tools", ALL, HOT, tools::measure),
    brokers("steady", BOTH, BOUNDED, steady::measure),
];

const fn alone(
    name: &'static str,
    measure: fn(&Path, Effort, &mut Figures<'_>) -> anyhow::Result<()>,
) -> Scenario {
    Scenario { name, measure: Measure::Alone(measure) }
}

const fn brokers(
    name: &'static str,
    kinds: &'static [Kind],
    settings: Settings<'static>,
    measure: fn(&mut Peer, Effort, &mut Figures<'_>) -> anyhow::Result<()>,
) -> Scenario {
    Scenario { name, measure: Measure::Brokers(kinds, settings, measure) }
}

impl Scenario {
    /// Measures everybody who takes part, one after another; a failure of one is noted and keeps no other from it.
    ///
    /// With `only`, no other broker; `backwards` for every second round, so that nobody is always first.
    pub fn run(
        &self,
        place: &Place,
        effort: Effort,
        only: &[Kind],
        backwards: bool,
        meter: &mut Speedometer,
        report: &mut Report,
    ) {
        println!("\n== {}", self.name);
        match &self.measure {
            Measure::Alone(measure) => {
                let measured = self.watched(meter, report, |report| {
                    measure(&place.data, effort, &mut Figures { report, who: Who::TIDEMILL })?;
                    Ok(((), 0.0))
                });
                if let Err(error) = measured {
                    report.failed(&format!("{}: {error:#}", self.name));
                }
            }
            Measure::Brokers(kinds, settings, measure) => {
                let mut kinds: Vec<Kind> = kinds.to_vec();
                kinds.retain(|kind| only.is_empty() || only.contains(kind));
                if backwards {
                    kinds.reverse();
                }
                for kind in kinds {
                    let measured = self.run_with(kind, place, *settings, meter, report, |peer, figures| {
                        measure(peer, effort, figures)
                    });
                    if let Err(error) = measured {
                        report.failed(&format!("{} with {}: {error:#}", self.name, kind.name()));
                    }
                }
            }
        }
    }

    fn run_with(
        &self,
        kind: Kind,
        place: &Place,
        settings: Settings<'_>,
        meter: &mut Speedometer,
        report: &mut Report,
        measure: impl FnOnce(&mut Peer, &mut Figures<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        memory::touch();
        let peer = self.watched(meter, report, |report| {
            let mut peer = Peer::start(kind, place, settings)?;
            measure(&mut peer, &mut Figures { report, who: kind.into() })
                .with_context(|| format!("the broker's log is {}", peer.log("broker").display()))?;
            let cpu_s = peer.usage()?.cpu_s;
            Ok((peer, cpu_s))
        })?;
        peer.end()
    }

    /// Notes how fast the machine was and what others took of it, while `measure` ran. With its result, that gives the CPU
    /// time in seconds of what it started and has not ended yet.
    fn watched<T>(
        &self,
        meter: &mut Speedometer,
        report: &mut Report,
        measure: impl FnOnce(&mut Report) -> anyhow::Result<(T, f64)>,
    ) -> anyhow::Result<T> {
        let mb_per_s_before = meter.mb_per_s()?;
        let (load, own_before) = (OtherLoad::begin(), own_cpu_s());
        let (result, started_cpu_s) = measure(report)?;
        report.other_load(self.name, load.percent(own_cpu_s() - own_before + started_cpu_s));
        report.speed(self.name, f64::midpoint(mb_per_s_before, meter.mb_per_s()?));
        Ok(result)
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
