//! Runs one task once, for callgrind to count its instructions, and prints how many bytes it handled; without a name,
//! prints the names. `bench/codecs/report.sh` runs them all.

use anyhow::Context;
use tidemill_codec_bench::{TASKS, Task};

// What the broker uses: what an allocation costs is a part of what is counted.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let Some(wanted) = std::env::args().nth(1) else {
        TASKS.iter().for_each(|(name, _)| println!("{name}"));
        return Ok(());
    };
    let (_, prepare) = TASKS.iter().find(|(name, _)| *name == wanted).context("there is no such task")?;
    let mut task = prepare()?;
    // Once before it counts: buffers of the thread and tables of the codecs are there afterwards.
    (task.run)()?;
    counted(&mut task)?;
    println!("{}", task.bytes);
    Ok(())
}

/// What callgrind counts; it knows it by its name.
#[inline(never)]
fn counted(task: &mut Task) -> anyhow::Result<()> {
    (task.run)()
}
