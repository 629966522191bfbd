//! Who asks, for the metrics of clients.

use tidemill_broker::ClientFacts;
use uuid::Uuid;

use super::uuid_text;
use crate::service::Call;

/// What is known of the client behind a request.
pub(super) fn facts(call: &Call<'_>, instance_id: Uuid) -> ClientFacts {
    let (software_name, software_version) = call.software.get();
    ClientFacts {
        instance_id,
        instance_name: uuid_text(instance_id).to_string(),
        client_id: call.head.client_id.to_string(),
        software_name,
        software_version,
        address: Some(call.peer),
    }
}
