//! DeleteGroups.

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use crate::codes;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group_id in request.groups_names {
        let result = call.groups().delete(&group_id).await;
        let deleted = DeletableGroupResult::default().with_group_id(group_id);
        results.push(deleted.with_error_code(codes::of_group_result(&result)));
    }
    DeleteGroupsResponse::default().with_results(results)
}
