//! DescribeUserScramCredentials: nobody has any, as there is no authentication yet. kafka-configs asks
//! when it lists the quotas of users.

use kafka_protocol::messages::describe_user_scram_credentials_response::DescribeUserScramCredentialsResult;
use kafka_protocol::messages::{DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse};

use super::text;
use crate::codes;
use crate::service::Call;

pub(crate) async fn handle(
    _call: &Call<'_>,
    request: DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    let asked = request.users.unwrap_or_default().into_iter();
    let results = asked.map(|user| {
        DescribeUserScramCredentialsResult::default()
            .with_user(user.name)
            .with_error_code(codes::RESOURCE_NOT_FOUND)
            .with_error_message(Some(text("the user has no SCRAM credentials")))
    });
    DescribeUserScramCredentialsResponse::default().with_error_message(None).with_results(results.collect())
}
