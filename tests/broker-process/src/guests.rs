//! Functions for the workload: the examples, built as a user builds them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use tidemill_http_server::api::{DeployFunction, FunctionDetail, FunctionLimits, UploadedModule};

use crate::Broker;

/// Builds a function, whose project is a folder of this repository; quick where nothing changed.
///
/// # Errors
/// With the build's output, if it fails.
pub fn build(project: &str) -> anyhow::Result<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let output = Command::new(root.join("scripts/build-guest.sh"))
        .arg(root.join(project))
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .context("scripts/build-guest.sh cannot be run")?;
    ensure!(
        output.status.success(),
        "{project} does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let stdout = String::from_utf8(output.stdout)?;
    let artefact = PathBuf::from(stdout.lines().last().context("no artefact was named")?);
    std::fs::read(&artefact).with_context(|| format!("{} cannot be read", artefact.display()))
}

/// Uploads a module and deploys it.
///
/// # Errors
/// If the broker refuses either.
pub async fn deploy(
    broker: &Broker,
    name: &str,
    module: Vec<u8>,
    deployment: DeployFunction,
) -> anyhow::Result<()> {
    let uploaded: UploadedModule = broker.upload("/v1/modules", module).await?;
    let body = DeployFunction { module_sha256: uploaded.sha256, ..deployment };
    let _: FunctionDetail = broker.put(&format!("/v1/functions/{name}"), &body).await?;
    Ok(())
}

/// A deployment with defaults for everything but the topics.
pub fn deployment(input: &str, outputs: &[&str]) -> DeployFunction {
    DeployFunction {
        module_sha256: String::new(),
        inputs: vec![input.to_owned()],
        outputs: outputs.iter().map(|output| (*output).to_owned()).collect(),
        config: Default::default(),
        allow_http: Vec::new(),
        on_error: None,
        start: None,
        limits: FunctionLimits::default(),
    }
}
