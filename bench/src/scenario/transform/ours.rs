//! The example function, deployed into the broker.

use anyhow::Context;
use tidemill_broker_process::guests;
use tidemill_http_server::api::FunctionDetail;

use super::{Application, Case};
use crate::peer::Peer;

const PROJECT: &str = "examples/late-flights";

pub(super) struct Function {
    name: &'static str,
    records: i64,
}

impl Function {
    pub(super) fn deploy(peer: &Peer, case: &Case) -> anyhow::Result<Function> {
        let (broker, runtime) = peer.tidemill().context("only ours runs WebAssembly")?;
        let module = guests::build(PROJECT)?;
        let deployment = guests::deployment(case.input, &[case.output]);
        runtime.block_on(guests::deploy(broker, case.name, module, deployment))?;
        Ok(Function { name: case.name, records: case.records(case.last()) })
    }
}

impl Application for Function {
    fn position(&mut self, peer: &Peer) -> anyhow::Result<i64> {
        let (broker, runtime) = peer.tidemill().context("only ours runs WebAssembly")?;
        let function: FunctionDetail =
            runtime.block_on(broker.get(&format!("/v1/functions/{}", self.name)))?;
        Ok(self.records - function.instances.iter().map(|instance| instance.lag).sum::<i64>())
    }

    /// It is a part of the broker.
    fn cpu_s(&self) -> anyhow::Result<f64> {
        Ok(0.0)
    }
}
