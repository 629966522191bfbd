//! LeaveGroup: one member before version 3, any number after.

use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};
use tidemill_groups::{Error, LeaveRequest, LeavingMember, LeftMember};

use super::{optional, text};
use crate::codes;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let members = if call.version() < 3 {
        vec![LeavingMember { member_id: request.member_id.to_string(), instance_id: None }]
    } else {
        let members = request.members.iter().map(|member| LeavingMember {
            member_id: member.member_id.to_string(),
            instance_id: optional(member.group_instance_id.as_ref()),
        });
        members.collect()
    };
    let leave = LeaveRequest { group_id: request.group_id.to_string(), members: members.clone() };
    let left = match call.groups().leave(leave) {
        // A group that does not exist has none of these members.
        Err(error @ Error::UnknownMemberId) => {
            members.into_iter().map(|member| LeftMember { member, result: Err(error.clone()) }).collect()
        }
        Err(error) => return LeaveGroupResponse::default().with_error_code(codes::of_group(&error)),
        Ok(left) => left,
    };
    if call.version() < 3 {
        let code = left.first().map_or(codes::NONE, |member| codes::of_group_result(&member.result));
        return LeaveGroupResponse::default().with_error_code(code);
    }
    let members = left.into_iter().map(|left| {
        MemberResponse::default()
            .with_error_code(codes::of_group_result(&left.result))
            .with_member_id(text(left.member.member_id))
            .with_group_instance_id(left.member.instance_id.map(text))
    });
    LeaveGroupResponse::default().with_members(members.collect())
}
