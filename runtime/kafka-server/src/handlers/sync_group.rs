//! SyncGroup.

use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use tidemill_groups::SyncRequest;

use super::{optional, text};
use crate::codes;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: SyncGroupRequest) -> SyncGroupResponse {
    let is_named = request.protocol_type.is_some() && request.protocol_name.is_some();
    if call.version() >= 5 && !is_named {
        return SyncGroupResponse::default().with_error_code(codes::INCONSISTENT_GROUP_PROTOCOL);
    }
    let assignments = request.assignments.into_iter();
    let sync = SyncRequest {
        group_id: request.group_id.to_string(),
        generation: request.generation_id,
        member_id: request.member_id.to_string(),
        instance_id: optional(request.group_instance_id.as_ref()),
        protocol_type: optional(request.protocol_type.as_ref()),
        protocol: optional(request.protocol_name.as_ref()),
        assignments: assignments.map(|share| (share.member_id.to_string(), share.assignment)).collect(),
    };
    match call.groups().sync(sync).await {
        Err(error) => SyncGroupResponse::default().with_error_code(codes::of_group(&error)),
        Ok(synced) => {
            let response = SyncGroupResponse::default().with_assignment(synced.assignment);
            if call.version() < 5 {
                return response;
            }
            response
                .with_protocol_type(synced.protocol_type.map(text))
                .with_protocol_name(synced.protocol.map(text))
        }
    }
}
