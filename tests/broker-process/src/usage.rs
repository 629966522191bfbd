//! What the operating system counts for a process.

use anyhow::Context;

/// Clock ticks per second in `/proc`; fixed by the kernel's interface to user space.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time and memory of a process so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// User and system time of all threads, in seconds.
    pub cpu_s: f64,
    /// User and system time of children that have ended and were waited for, in seconds.
    pub children_cpu_s: f64,
    /// Resident memory now, in bytes.
    pub resident_bytes: u64,
    /// Highest resident memory so far, in bytes.
    pub peak_resident_bytes: u64,
    /// Threads now.
    pub threads: u64,
}

impl Usage {
    /// Reads a process's usage from `/proc`.
    ///
    /// # Errors
    /// If there is no such process.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may hold anything, so fields are counted behind it.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let seconds = |index: usize| -> anyhow::Result<f64> {
            let ticks: f64 = fields.get(index).context("a short /proc/PID/stat")?.parse()?;
            Ok(ticks / TICKS_PER_SECOND)
        };
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let value = |name: &str| -> anyhow::Result<u64> {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .context("a short /proc/PID/status")?;
            Ok(line.split_whitespace().next().context("no value")?.parse()?)
        };
        Ok(Self {
            cpu_s: seconds(11)? + seconds(12)?,
            children_cpu_s: seconds(13)? + seconds(14)?,
            resident_bytes: value("VmRSS:")? * 1024,
            peak_resident_bytes: value("VmHWM:")? * 1024,
            threads: value("Threads:")?,
        })
    }
}
