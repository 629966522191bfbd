//! DescribeCluster.

use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};

use super::{CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED, text, uuid_text};
use crate::codes;
use crate::service::Call;

/// Endpoint types on the wire.
const BROKERS: i8 = 1;

pub(crate) async fn handle(call: &Call<'_>, request: DescribeClusterRequest) -> DescribeClusterResponse {
    if call.version() >= 1 && request.endpoint_type != BROKERS {
        return DescribeClusterResponse::default()
            .with_error_code(codes::UNSUPPORTED_ENDPOINT_TYPE)
            .with_error_message(Some(text("controllers cannot be asked for here")));
    }
    let node = BrokerId(call.node_id());
    let broker = DescribeClusterBroker::default()
        .with_broker_id(node)
        .with_host(text(&call.service.host))
        .with_port(call.service.port);
    let asked = request.include_cluster_authorized_operations;
    DescribeClusterResponse::default()
        .with_cluster_id(uuid_text(call.broker().cluster_id()))
        .with_controller_id(node)
        .with_brokers(vec![broker])
        .with_cluster_authorized_operations(if asked { CLUSTER_OPERATIONS } else { OPERATIONS_NOT_ASKED })
}
