//! The Kafka Streams application (`bench/streams`), as a process of its own.

use std::fs::File;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail, ensure};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{GroupId, OffsetFetchRequest};
use kafka_protocol::protocol::StrBytes;
use tidemill_broker_process::Usage;

use super::{Application, Case};
use crate::load::wire::Wire;
use crate::peer::{Peer, topic_name};

/// The newest version with one group to a request.
const OFFSET_FETCH_VERSION: i16 = 7;
/// Its log.
const LOG: &str = "streams";

pub(super) struct Process {
    /// Its application id, which is its group.
    name: &'static str,
    input: &'static str,
    child: Child,
    wire: Wire,
}

impl Process {
    pub(super) fn start(peer: &Peer, case: &Case) -> anyhow::Result<Process> {
        let class_path = std::env::var("STREAMS_CLASSPATH")
            .context("STREAMS_CLASSPATH is not set; bench/run.sh sets it")?;
        let log = File::create(peer.log(LOG))?;
        let mut command = Command::new("java");
        command.args(["-Xmx512m", "-cp", &class_path, "LateFlights", peer.addr()]);
        command.args([case.name, case.input, case.output]).arg(peer.dir().join("streams-state"));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("java cannot be started")?;
        Ok(Process { name: case.name, input: case.input, child, wire: Wire::connect(peer.addr())? })
    }
}

impl Application for Process {
    /// What its group has committed; nothing before the coordinator is there.
    fn position(&mut self, peer: &Peer) -> anyhow::Result<i64> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the application ended with {status}; see {}", peer.log(LOG).display());
        }
        let topic = OffsetFetchRequestTopic::default()
            .with_name(topic_name(self.input))
            .with_partition_indexes(vec![0]);
        let request = OffsetFetchRequest::default()
            .with_group_id(GroupId(StrBytes::from_static_str(self.name)))
            .with_topics(Some(vec![topic]));
        let answer = self.wire.call(&request, OFFSET_FETCH_VERSION)?;
        let part = answer.topics.first().and_then(|topic| topic.partitions.first());
        let committed = part.filter(|part| part.error_code == 0).map_or(0, |part| part.committed_offset);
        Ok(committed.max(0))
    }

    fn cpu_s(&self) -> anyhow::Result<f64> {
        let usage = Usage::of(self.child.id())?;
        ensure!(usage.cpu_s >= 0.0, "no CPU time");
        Ok(usage.cpu_s)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be done where even this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
