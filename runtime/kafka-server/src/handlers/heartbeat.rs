//! Heartbeat.

use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::optional;
use crate::codes;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: HeartbeatRequest) -> HeartbeatResponse {
    let result = call.groups().heartbeat(&tidemill_groups::HeartbeatRequest {
        group_id: request.group_id.to_string(),
        generation: request.generation_id,
        member_id: request.member_id.to_string(),
        instance_id: optional(request.group_instance_id.as_ref()),
    });
    HeartbeatResponse::default().with_error_code(codes::of_group_result(&result))
}
