//! `/v1/modules` and `/v1/functions`

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use bytes::Bytes;
use tidemill_broker::{Broker, FunctionView, NewFunction};
use tidemill_state::{ErrorPolicy, FunctionKind, FunctionLimits as Limits, FunctionStatus, StartPosition};

use crate::api::{
    DeployFunction, FunctionDetail, FunctionInstanceDetail, FunctionLimits, LogLine, LogQuery, UploadedModule,
};
use crate::error::Failure;

pub(crate) async fn upload(
    State(broker): State<Arc<Broker>>,
    module: Bytes,
) -> Result<(StatusCode, Json<UploadedModule>), Failure> {
    let size_bytes = module.len() as u64;
    let info = broker.upload_module(module).await?;
    let sha256 = info.sha256.iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Ok((StatusCode::CREATED, Json(UploadedModule { sha256, kind: info.kind.to_string(), size_bytes })))
}

pub(crate) async fn list(State(broker): State<Arc<Broker>>) -> Json<Vec<FunctionDetail>> {
    Json(broker.functions().iter().map(detail).collect())
}

pub(crate) async fn describe(
    State(broker): State<Arc<Broker>>,
    Path(name): Path<String>,
) -> Result<Json<FunctionDetail>, Failure> {
    Ok(Json(detail(&broker.function(&name)?)))
}

pub(crate) async fn deploy(
    State(broker): State<Arc<Broker>>,
    Path(name): Path<String>,
    Json(body): Json<DeployFunction>,
) -> Result<Json<FunctionDetail>, Failure> {
    let new = NewFunction {
        name,
        module_sha256: body.module_sha256,
        inputs: body.inputs,
        outputs: body.outputs,
        config: body.config,
        allow_http: body.allow_http,
        on_error: error_policy(body.on_error.as_deref())?,
        start: start_position(body.start.as_deref())?,
        limits: limits(&body.limits),
    };
    Ok(Json(detail(&broker.deploy_function(new).await?)))
}

pub(crate) async fn pause(
    State(broker): State<Arc<Broker>>,
    Path(name): Path<String>,
) -> Result<Json<FunctionDetail>, Failure> {
    Ok(Json(detail(&broker.pause_function(&name).await?)))
}

pub(crate) async fn resume(
    State(broker): State<Arc<Broker>>,
    Path(name): Path<String>,
) -> Result<Json<FunctionDetail>, Failure> {
    Ok(Json(detail(&broker.resume_function(&name).await?)))
}

pub(crate) async fn delete(
    State(broker): State<Arc<Broker>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    broker.delete_function(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn logs(
    State(broker): State<Arc<Broker>>,
    Path(name): Path<String>,
    Query(query): Query<LogQuery>,
) -> Result<Json<Vec<LogLine>>, Failure> {
    let lines = broker.function_logs(&name, query.from)?;
    let line = |line: tidemill_functions::LogLine| LogLine {
        sequence: line.sequence,
        timestamp_ms: line
            .time
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
        level: line.level.name().to_owned(),
        message: line.text,
    };
    Ok(Json(lines.into_iter().map(line).collect()))
}

fn error_policy(name: Option<&str>) -> Result<ErrorPolicy, Failure> {
    match name {
        None | Some("stop") => Ok(ErrorPolicy::Stop),
        Some("skip") => Ok(ErrorPolicy::Skip),
        Some("dead-letter") => Ok(ErrorPolicy::DeadLetter),
        Some(other) => Err(Failure::invalid(format!("on_error is stop, skip or dead-letter, not {other:?}"))),
    }
}

fn start_position(name: Option<&str>) -> Result<StartPosition, Failure> {
    match name {
        None | Some("earliest") => Ok(StartPosition::Earliest),
        Some("latest") => Ok(StartPosition::Latest),
        Some(other) => Err(Failure::invalid(format!("start is earliest or latest, not {other:?}"))),
    }
}

/// What was asked for, and the function host's defaults for the rest.
fn limits(asked: &FunctionLimits) -> Limits {
    let default = tidemill_functions::Limits::default();
    Limits {
        memory_bytes: asked.memory_bytes.unwrap_or(default.memory_bytes),
        deadline_ms: asked.deadline_ms.unwrap_or(default.deadline_ms),
        output_bytes: asked.output_bytes.unwrap_or(default.output_bytes),
    }
}

fn detail(view: &FunctionView) -> FunctionDetail {
    let metadata = &view.metadata;
    let stopped = view.instances.iter().any(|instance| instance.stopped.is_some());
    let status = match metadata.status {
        FunctionStatus::Paused => "paused",
        FunctionStatus::Running if stopped => "failed",
        FunctionStatus::Running => "running",
    };
    let kind = match metadata.kind {
        FunctionKind::Transform => "transform",
        FunctionKind::Sink => "sink",
    };
    let on_error = match metadata.on_error {
        ErrorPolicy::Stop => "stop",
        ErrorPolicy::Skip => "skip",
        ErrorPolicy::DeadLetter => "dead-letter",
    };
    FunctionDetail {
        name: metadata.name.clone(),
        kind: kind.to_owned(),
        version: metadata.version,
        module_sha256: metadata.module_sha256.clone(),
        status: status.to_owned(),
        inputs: metadata.inputs.clone(),
        outputs: metadata.outputs.clone(),
        config: metadata.config.clone(),
        allow_http: metadata.allow_http.clone(),
        on_error: on_error.to_owned(),
        instances: view
            .instances
            .iter()
            .map(|instance| FunctionInstanceDetail {
                topic: instance.topic.clone(),
                partition: instance.partition,
                position: instance.position,
                lag: instance.lag,
                error: instance.stopped.clone(),
            })
            .collect(),
    }
}
