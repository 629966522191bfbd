//! DescribeGroups.

use std::collections::HashSet;

use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use kafka_protocol::protocol::StrBytes;
use tidemill_groups::DescribedMember;

use super::{GROUP_OPERATIONS, OPERATIONS_NOT_ASKED, text};
use crate::codes;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let asked = call.version() >= 3 && request.include_authorized_operations;
    let operations = if asked { GROUP_OPERATIONS } else { OPERATIONS_NOT_ASKED };
    // A group that is named a thousand times is described once.
    let mut seen = HashSet::new();
    let groups = request.groups.into_iter().filter(|id| seen.insert(id.clone()));
    let groups = groups.map(|id| describe(call, id, operations));
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn describe(call: &Call<'_>, id: GroupId, operations: i32) -> DescribedGroup {
    let found = call.groups().describe(&id);
    let described = DescribedGroup::default().with_group_id(id).with_authorized_operations(operations);
    match found {
        Ok(group) => described
            .with_group_state(StrBytes::from_static_str(group.state.name()))
            .with_protocol_type(text(group.protocol_type))
            .with_protocol_data(text(group.protocol))
            .with_members(group.members.into_iter().map(|m| member(call.version(), m)).collect()),
        Err(error) => {
            // Before version 6 a group that does not exist is a dead one.
            let described = described.with_group_state(StrBytes::from_static_str("Dead"));
            match codes::of_group(&error) {
                codes::GROUP_ID_NOT_FOUND if call.version() < 6 => described,
                code if call.version() < 6 => described.with_error_code(code),
                code => described.with_error_code(code).with_error_message(Some(text(error.to_string()))),
            }
        }
    }
}

fn member(version: i16, member: DescribedMember) -> DescribedGroupMember {
    let described = DescribedGroupMember::default()
        .with_member_id(text(member.member_id))
        .with_client_id(text(member.client_id))
        .with_client_host(text(member.client_host))
        .with_member_metadata(member.metadata)
        .with_member_assignment(member.assignment);
    if version >= 4 { described.with_group_instance_id(member.instance_id.map(text)) } else { described }
}
