//! The example function, deployed into the broker.

use anyhow::Context;
use tidemill_broker_process::guests;
use tidemill_http_server::api::FunctionDetail;

use super::{Application, INPUT, OUTPUT, RECORDS};
use crate::peer::Peer;

const NAME: &str = "late-flights";

pub(super) struct Function;

impl Function {
    pub(super) fn deploy(peer: &Peer) -> anyhow::Result<Function> {
        let (broker, runtime) = peer.tidemill().context("only ours runs WebAssembly")?;
        let module = guests::build("examples/late-flights")?;
        runtime.block_on(guests::deploy(broker, NAME, module, guests::deployment(INPUT, &[OUTPUT])))?;
        Ok(Function)
    }
}

impl Application for Function {
    fn position(&mut self, peer: &Peer) -> anyhow::Result<i64> {
        let (broker, runtime) = peer.tidemill().context("only ours runs WebAssembly")?;
        let function: FunctionDetail = runtime.block_on(broker.get(&format!("/v1/functions/{NAME}")))?;
        Ok(RECORDS - function.instances.iter().map(|instance| instance.lag).sum::<i64>())
    }

    /// It is a part of the broker.
    fn cpu_s(&self) -> anyhow::Result<f64> {
        Ok(0.0)
    }
}
