//! Apache Kafka from its Maven artifacts: one node, KRaft, started as its own start script does.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use kafka_protocol::messages::MetadataRequest;
use tidemill_broker_process::free_addresses;

use crate::load::wire::Wire;

/// What `kafka-server-start.sh` gives the virtual machine.
const BROKER_MEMORY: [&str; 2] = ["-Xmx1G", "-Xms1G"];
/// What Kafka's scripts give every virtual machine.
const JVM_OPTIONS: [&str; 4] = [
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
];
/// Any 16 bytes in base64; one node needs no better.
const CLUSTER_ID: &str = "TidemillBenchPeer0000A";
const READY_TIMEOUT: Duration = Duration::from_secs(180);
const STOP_TIMEOUT: Duration = Duration::from_secs(120);

/// A broker process.
pub(super) struct Kafka {
    pub(super) addr: String,
    dir: PathBuf,
    log: PathBuf,
    process: Option<Child>,
}

impl Kafka {
    /// Formats a data directory.
    pub(super) fn new(dir: &Path, log: PathBuf, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let [addr, controller] = free_addresses()?;
        let mut properties = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             controller.quorum.voters=1@{controller}\n\
             listeners=PLAINTEXT://{addr},CONTROLLER://{controller}\n\
             advertised.listeners=PLAINTEXT://{addr}\ncontroller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             log.dirs={}\noffsets.topic.replication.factor=1\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n",
            dir.join("logs").display()
        );
        for (name, value) in settings {
            properties.push_str(&format!("{name}={value}\n"));
        }
        std::fs::write(dir.join("server.properties"), properties)?;
        let kafka = Self { addr, dir: dir.to_owned(), log, process: None };
        let format = ["format", "-t", CLUSTER_ID, "-c"];
        let status = kafka.java("kafka.tools.StorageTool")?.args(format).arg(kafka.properties()).status()?;
        ensure!(status.success(), "Kafka's storage cannot be formatted; see {}", kafka.log.display());
        Ok(kafka)
    }

    /// Starts it; answers how long it took to serve.
    pub(super) fn start(&mut self) -> anyhow::Result<Duration> {
        let started = Instant::now();
        let child = self.java("kafka.Kafka")?.arg(self.properties()).spawn()?;
        self.process = Some(child);
        while started.elapsed() < READY_TIMEOUT {
            if let Some(status) = self.process.as_mut().context("not started")?.try_wait()? {
                bail!("Kafka ended with {status}; see {}", self.log.display());
            }
            if self.serves() {
                return Ok(started.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("Kafka was not ready within {READY_TIMEOUT:?}; see {}", self.log.display())
    }

    fn serves(&self) -> bool {
        let answer = Wire::connect(&self.addr)
            .and_then(|mut wire| wire.call(&MetadataRequest::default().with_topics(Some(Vec::new())), 12));
        answer.is_ok_and(|answer| !answer.brokers.is_empty())
    }

    /// Shuts it down as an operator would.
    pub(super) fn stop(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("Kafka is not running")?;
        let asked = Command::new("kill").arg(process.id().to_string()).status()?;
        ensure!(asked.success(), "Kafka cannot be told to stop");
        let started = Instant::now();
        while started.elapsed() < STOP_TIMEOUT {
            if process.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        process.kill()?;
        process.wait()?;
        bail!("Kafka did not stop within {STOP_TIMEOUT:?}")
    }

    /// Its process id.
    pub(super) fn pid(&self) -> anyhow::Result<u32> {
        Ok(self.process.as_ref().context("Kafka is not running")?.id())
    }

    fn java(&self, class: &str) -> anyhow::Result<Command> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = java(&BROKER_MEMORY, class)?;
        command.stdout(log.try_clone()?).stderr(log);
        Ok(command)
    }

    fn properties(&self) -> PathBuf {
        self.dir.join("server.properties")
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // Nothing can be done where even this fails.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A program of Kafka's.
pub fn java(memory: &[&str], class: &str) -> anyhow::Result<Command> {
    let libs =
        std::env::var("KAFKA_LIBS").context("KAFKA_LIBS does not name Kafka's jars; bench/run.sh sets it")?;
    let mut command = Command::new("java");
    command.args(memory).args(JVM_OPTIONS).arg("-cp").arg(format!("{libs}/*")).arg(class);
    command.stdin(Stdio::null());
    Ok(command)
}
