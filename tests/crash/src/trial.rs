//! A run that ends the broker again and again, and what is kept of one that fails.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidemill_broker_process::Broker;
use tidemill_http_server::api::SealResult;

/// How often a broker is killed, and with which random numbers.
#[derive(Clone, Copy, Debug)]
pub struct Kills {
    /// `SEED=n`, or any.
    pub seed: u64,
    /// `KILLS=n`, or as many as the test does otherwise.
    pub count: u64,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Does a run in a folder of its own below `tmp`, which is kept if the run fails.
///
/// # Errors
/// The run's, with its seed and where its folder is.
pub async fn try_in<F: Future<Output = Result<()>>>(
    tmp: &str,
    name: &str,
    kills: u64,
    run: impl FnOnce(Kills, PathBuf) -> F,
) -> Result<()> {
    let kills =
        Kills { seed: number("SEED").unwrap_or_else(rand::random), count: number("KILLS").unwrap_or(kills) };
    let Kills { seed, count } = kills;
    let dir = PathBuf::from(tmp).join(format!("{name}-{seed}"));
    std::fs::create_dir_all(&dir)?;
    println!("SEED={seed} KILLS={count}, data and history in {}", dir.display());
    let done = run(kills, dir.clone()).await;
    done.map_err(|error| anyhow::anyhow!("SEED={seed}: {error:#}; kept in {}", dir.display()))?;
    Ok(std::fs::remove_dir_all(&dir)?)
}

impl Kills {
    /// Kills the broker and starts it again after pauses of so many milliseconds, sometimes just when
    /// a topic is being sealed. `note` is told of each kill and each return.
    ///
    /// # Errors
    /// If the broker does not come back.
    pub async fn carry_out<'a>(
        self,
        broker: &mut Broker,
        note: impl Fn(&str) -> Result<()>,
        pause_ms: Range<u64>,
        topic: impl Fn(&mut StdRng) -> &'a str,
    ) -> Result<()> {
        let Kills { seed, count } = self;
        let mut random = StdRng::seed_from_u64(seed);
        for kill in 1..=count {
            tokio::time::sleep(Duration::from_millis(random.random_range(pause_ms.clone()))).await;
            if random.random_bool(0.5) {
                let topic = topic(&mut random);
                let _: SealResult = broker.post(&format!("/v1/archive/{topic}/seal"), &()).await?;
                tokio::time::sleep(Duration::from_millis(random.random_range(0..200))).await;
            }
            broker.kill()?;
            note("killed")?;
            let ready = broker.start().await?;
            note(&format!("ready after {ready:?}"))?;
            println!("kill {kill} of {count}: ready again after {} ms", ready.as_millis());
        }
        Ok(())
    }
}
