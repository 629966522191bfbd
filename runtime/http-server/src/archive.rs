//! `/v1/archive`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use tidemill_broker::{Broker, PartitionArchive};

use crate::api::{
    ArchiveObject, ArchivePartition, ArchiveStatus, SealQuery, SealResult, StatusQuery, VerifyResult,
};
use crate::error::Failure;

pub(crate) async fn status(
    State(broker): State<Arc<Broker>>,
    Path(topic): Path<String>,
    Query(query): Query<StatusQuery>,
) -> Result<Json<ArchiveStatus>, Failure> {
    let archives = broker.archive_status(Some(&topic))?;
    let base = location_base(&broker.config().object_store_url());
    let partitions = archives.iter().flat_map(|archive| &archive.partitions);
    let partitions = partitions.map(|part| describe(part, query.files.then_some(base.as_str()))).collect();
    Ok(Json(ArchiveStatus { topic, partitions }))
}

pub(crate) async fn seal(
    State(broker): State<Arc<Broker>>,
    Path(topic): Path<String>,
    Query(query): Query<SealQuery>,
) -> Result<Json<SealResult>, Failure> {
    broker.seal(&topic, query.wait).await?;
    Ok(Json(SealResult { topic, complete: query.wait }))
}

pub(crate) async fn verify(
    State(broker): State<Arc<Broker>>,
    Path(topic): Path<String>,
) -> Result<Json<VerifyResult>, Failure> {
    let report = broker.verify(&topic).await?;
    Ok(Json(VerifyResult {
        topic,
        objects: report.objects,
        rows: report.records,
        bytes: report.bytes,
        problems: report.problems,
    }))
}

/// What stands before an object's path. Analytics tools want a folder as a path, not as a URL.
fn location_base(url: &str) -> String {
    url.strip_prefix("file://").unwrap_or(url).trim_end_matches('/').to_owned()
}

fn describe(part: &PartitionArchive, base: Option<&str>) -> ArchivePartition {
    let objects = base.into_iter().flat_map(|base| part.objects.iter().map(move |object| (base, object)));
    ArchivePartition {
        partition: part.partition,
        log_start_offset: part.log_start_offset,
        archived_end: part.archived_end,
        high_watermark: part.high_watermark,
        object_count: part.objects.len(),
        object_bytes: part.objects.iter().map(|object| object.length_bytes).sum(),
        objects: objects
            .map(|(base, object)| ArchiveObject {
                location: format!("{base}/{}", object.path),
                path: object.path.clone(),
                base_offset: object.base_offset,
                last_offset: object.last_offset,
                rows: object.row_count,
                length_bytes: object.length_bytes,
                raw_bytes: object.raw_bytes,
                min_timestamp_ms: object.min_timestamp_ms,
                max_timestamp_ms: object.max_timestamp_ms,
            })
            .collect(),
    }
}
