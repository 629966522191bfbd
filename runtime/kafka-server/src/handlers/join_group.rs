//! JoinGroup.

use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use kafka_protocol::protocol::StrBytes;
use tidemill_groups::{Error, JoinRequest, Joined, Protocol};

use super::{optional, text};
use crate::codes;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: JoinGroupRequest) -> JoinGroupResponse {
    let version = call.version();
    let member_id = request.member_id.clone();
    let join = JoinRequest {
        group_id: request.group_id.to_string(),
        member_id: member_id.to_string(),
        instance_id: optional(request.group_instance_id.as_ref()),
        client_id: call.head.client_id.to_string(),
        client_host: format!("/{}", call.peer.ip()),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: if version >= 1 { request.rebalance_timeout_ms } else { -1 },
        protocol_type: request.protocol_type.to_string(),
        protocols: request
            .protocols
            .into_iter()
            .map(|protocol| Protocol { name: protocol.name.to_string(), metadata: protocol.metadata })
            .collect(),
        require_known_member_id: version >= 4,
        supports_skipping_assignment: version >= 9,
    };
    match call.groups().join(join).await {
        Ok(joined) => welcome(version, joined),
        Err(error) => refuse(version, member_id, &error),
    }
}

fn welcome(version: i16, joined: Joined) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|member| {
        let described = JoinGroupResponseMember::default()
            .with_member_id(text(member.member_id))
            .with_metadata(member.metadata);
        if version >= 5 { described.with_group_instance_id(member.instance_id.map(text)) } else { described }
    });
    let response = JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_name(Some(text(joined.protocol.unwrap_or_default())))
        .with_leader(text(joined.leader))
        .with_member_id(text(joined.member_id))
        .with_members(members.collect());
    let response =
        if version >= 7 { response.with_protocol_type(joined.protocol_type.map(text)) } else { response };
    if version >= 9 { response.with_skip_assignment(joined.skip_assignment) } else { response }
}

fn refuse(version: i16, member_id: StrBytes, error: &Error) -> JoinGroupResponse {
    let member_id = match error {
        Error::MemberIdRequired { member_id } => text(member_id),
        _ => member_id,
    };
    JoinGroupResponse::default()
        .with_error_code(codes::of_group(error))
        .with_generation_id(-1)
        // Null exists from version 7 on.
        .with_protocol_name((version < 7).then(StrBytes::new))
        .with_member_id(member_id)
}
