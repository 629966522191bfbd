//! ListGroups, with filters by state and type.

use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};
use kafka_protocol::protocol::StrBytes;

use super::text;
use crate::service::Call;

const TYPE: &str = "classic";

pub(crate) async fn handle(call: &Call<'_>, request: ListGroupsRequest) -> ListGroupsResponse {
    let asked = |filter: &[StrBytes], value: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let groups = call.groups().list().into_iter();
    let matching = groups.filter(|group| {
        asked(&request.states_filter, group.state.name()) && asked(&request.types_filter, TYPE)
    });
    let listed = matching.map(|group| {
        let listed = ListedGroup::default()
            .with_group_id(GroupId(text(group.group_id)))
            .with_protocol_type(text(group.protocol_type));
        match call.version() {
            ..4 => listed,
            4 => listed.with_group_state(StrBytes::from_static_str(group.state.name())),
            5.. => listed
                .with_group_state(StrBytes::from_static_str(group.state.name()))
                .with_group_type(StrBytes::from_static_str(TYPE)),
        }
    });
    ListGroupsResponse::default().with_groups(listed.collect())
}
