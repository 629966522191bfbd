//! FindCoordinator: one broker coordinates all groups and transactions.

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};

use super::text;
use crate::codes;
use crate::service::Call;

/// Key types on the wire.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub(crate) async fn handle(call: &Call<'_>, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let (code, reason) = match request.key_type {
        GROUP | TRANSACTION => (codes::NONE, None),
        _ => (codes::INVALID_REQUEST, Some("only groups and transactions have a coordinator here")),
    };
    let found = code == codes::NONE;
    let node = BrokerId(if found { call.node_id() } else { -1 });
    let (host, port) = if found { (call.service.host.as_str(), call.service.port) } else { ("", -1) };
    if call.version() < 4 {
        let message = if call.version() >= 1 { reason.map(text) } else { None };
        return FindCoordinatorResponse::default()
            .with_error_code(code)
            .with_error_message(message)
            .with_node_id(node)
            .with_host(text(host))
            .with_port(port);
    }
    let coordinators = request.coordinator_keys.into_iter().map(|key| {
        Coordinator::default()
            .with_key(key)
            .with_node_id(node)
            .with_host(text(host))
            .with_port(port)
            .with_error_code(code)
            .with_error_message(reason.map(text))
    });
    FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
}
