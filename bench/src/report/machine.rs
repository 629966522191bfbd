//! The machine, and how much of it others took while we measured.

use std::time::Instant;

use tidemill_broker_process::Usage;

/// What the figures were taken on.
pub struct Machine {
    /// One line for the page.
    pub line: String,
}

impl Machine {
    /// Asks the operating system.
    pub fn look() -> Machine {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = field(&cpuinfo, "model name").unwrap_or("unknown processor").to_owned();
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib: u64 = field(&meminfo, "MemTotal")
            .and_then(|value| value.split_whitespace().next()?.parse().ok())
            .unwrap_or_default();
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let pages = if gives_free_pages_back() { ", which gives free pages back to its host" } else { "" };
        let line = format!("{cores} cores ({model}), {} GiB, Linux {}{pages}", kib >> 20, kernel.trim());
        Machine { line }
    }
}

/// Whether this is a virtual machine whose kernel tells the host every two seconds which pages are free (free page
/// reporting), so that whoever wants them next waits for the host. `run.sh` turns it off where it may.
pub fn gives_free_pages_back() -> bool {
    // An order beyond the largest block of free pages, or none at all, is never reached.
    const LARGEST_ORDER: u32 = 10;
    let order = std::fs::read_to_string("/sys/module/page_reporting/parameters/page_reporting_order");
    order.is_ok_and(|order| order.trim().parse::<u32>().is_ok_and(|order| order <= LARGEST_ORDER))
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

/// How much of the machine was taken by processes that are not ours, since this was made.
pub struct OtherLoad {
    started: Instant,
    busy_s: f64,
}

impl OtherLoad {
    /// Begins to watch.
    pub fn begin() -> OtherLoad {
        OtherLoad { started: Instant::now(), busy_s: busy_s() }
    }

    /// CPU seconds of all processes but `ours_s`, as a share of all cores, in percent.
    pub fn percent(&self, ours_s: f64) -> f64 {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let all = busy_s() - self.busy_s;
        (100.0 * (all - ours_s) / (self.started.elapsed().as_secs_f64() * cores)).max(0.0)
    }
}

/// CPU time of this process and of children that have ended, in seconds.
pub fn own_cpu_s() -> f64 {
    Usage::of(std::process::id()).map_or(0.0, |usage| usage.cpu_s + usage.children_cpu_s)
}

/// Time that all cores together did not idle, in seconds.
fn busy_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal
    ticks.iter().enumerate().filter(|(index, _)| !matches!(index, 3 | 4)).take(6).map(|(_, t)| t).sum::<f64>()
        / 100.0
}
