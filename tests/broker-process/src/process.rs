//! The real binary as a process that can be killed.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Usage;

/// How long a broker may take to come back.
const READY_TIMEOUT: Duration = Duration::from_secs(120);

/// A broker over a data directory that outlives it.
pub struct Broker {
    data_dir: PathBuf,
    log: PathBuf,
    settings: Vec<(String, String)>,
    /// Where it serves Kafka; the same after each restart, as clients expect.
    pub kafka_addr: String,
    /// Where it serves HTTP.
    pub http_addr: String,
    http: reqwest::Client,
    process: Option<Child>,
}

impl Broker {
    /// A broker that is not started yet; its log will be beside its data.
    ///
    /// # Errors
    /// If no port is free.
    pub fn new(data_dir: &Path, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let [kafka_addr, http_addr] = free_addresses()?;
        let settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Ok(Self {
            data_dir: data_dir.to_owned(),
            log: data_dir.with_extension("log"),
            settings,
            kafka_addr,
            http_addr,
            http: reqwest::Client::builder().no_proxy().build()?,
            process: None,
        })
    }

    /// Writes its log to another file.
    #[must_use]
    pub fn log_to(mut self, log: PathBuf) -> Self {
        self.log = log;
        self
    }

    /// Starts it and waits until it is ready; answers how long that took.
    ///
    /// # Errors
    /// If it ends or is not ready in time; its log says why.
    pub async fn start(&mut self) -> anyhow::Result<Duration> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(binary()?);
        command.arg("serve").arg("--data-dir").arg(&self.data_dir);
        command.args(["--kafka-addr", &self.kafka_addr, "--http-addr", &self.http_addr]);
        for (name, value) in &self.settings {
            command.arg("--set").arg(format!("{name}={value}"));
        }
        command.env_remove("BROKER_BINARY").stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        let started = Instant::now();
        // Kept at once: whoever drops this ends the process, also one that never got ready.
        let child = self.process.insert(command.spawn().context("the broker cannot be started")?);
        while started.elapsed() < READY_TIMEOUT {
            if let Some(status) = child.try_wait()? {
                self.process = None;
                bail!("the broker ended with {status}; see {}", self.log.display());
            }
            let ready = self.http.get(format!("http://{}/health/ready", self.http_addr)).send().await;
            if ready.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(started.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("the broker was not ready within {READY_TIMEOUT:?}; see {}", self.log.display())
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// If it is not running: then it ended by itself, which no test allows.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("the broker is not running")?;
        if let Some(status) = process.try_wait()? {
            bail!("the broker ended by itself with {status}");
        }
        process.kill()?;
        // Reaped at once: a killed process needs no time to end.
        process.wait()?;
        Ok(())
    }

    /// CPU time and memory of the process.
    ///
    /// # Errors
    /// If it is not running.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(self.process.as_ref().context("the broker is not running")?.id())
    }

    /// The sum of a metric over the series that carry all of `labels`, each `name="value"`.
    ///
    /// # Errors
    /// If the broker does not answer.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> anyhow::Result<f64> {
        let text = self.http.get(self.url("/metrics")).send().await?.error_for_status()?.text().await?;
        let series = text.lines().filter_map(|line| line.rsplit_once(' '));
        let wanted = series.filter(|(series, _)| {
            series.split('{').next() == Some(name) && labels.iter().all(|label| series.contains(label))
        });
        Ok(wanted.filter_map(|(_, value)| value.parse::<f64>().ok()).sum())
    }

    /// `GET` of the REST API.
    ///
    /// # Errors
    /// If the broker does not answer, or with an error.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.answer(self.http.get(self.url(path))).await
    }

    /// `POST` of the REST API.
    ///
    /// # Errors
    /// As [`Broker::get`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        self.answer(self.http.post(self.url(path)).json(body)).await
    }

    /// `PUT` of the REST API.
    ///
    /// # Errors
    /// As [`Broker::get`].
    pub async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        self.answer(self.http.put(self.url(path)).json(body)).await
    }

    /// Uploads a module.
    ///
    /// # Errors
    /// As [`Broker::get`].
    pub async fn upload<T: DeserializeOwned>(&self, path: &str, bytes: Vec<u8>) -> anyhow::Result<T> {
        self.answer(self.http.post(self.url(path)).body(bytes)).await
    }

    async fn answer<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> anyhow::Result<T> {
        let response = request.send().await?;
        let (status, body) = (response.status(), response.text().await?);
        ensure!(status.is_success(), "{status}: {body}");
        Ok(serde_json::from_str(if body.is_empty() { "null" } else { &body })?)
    }

    /// A URL of the HTTP server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http_addr)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // Nothing can be done where even this fails.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Two loopback addresses that nobody listens on. Both are held until they are known, or they could be the same one.
///
/// # Errors
/// If no port is free.
pub fn free_addresses() -> anyhow::Result<[String; 2]> {
    let [first, second] = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    Ok([first.local_addr()?.to_string(), second.local_addr()?.to_string()])
}

/// `$BROKER_BINARY`, or what scripts/build.sh left beside this test.
fn binary() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("BROKER_BINARY") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    let profile = test.ancestors().nth(2).context("the test is not in a build folder")?;
    let binary = profile.join("tidemill");
    ensure!(binary.exists(), "{} does not exist: run scripts/build.sh first", binary.display());
    Ok(binary)
}
