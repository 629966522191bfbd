//! ApiVersions: which APIs are served.

use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::StrBytes;
use tidemill_broker::{MAX_TRANSACTION_VERSION, TRANSACTION_VERSION};

use crate::apis::{APIS, is_telemetry};
use crate::codes;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: ApiVersionsRequest) -> ApiVersionsResponse {
    let named = call.version() < 3
        || (is_software_name(&request.client_software_name)
            && is_software_name(&request.client_software_version));
    if named {
        call.software.set(&request.client_software_name, &request.client_software_version);
        with_features(call, all(call))
    } else {
        ApiVersionsResponse::default().with_error_code(codes::INVALID_REQUEST)
    }
}

/// The answer to a version that is not served, in version 0, which every client reads.
pub(crate) fn unsupported_version(call: &Call<'_>) -> ApiVersionsResponse {
    all(call).with_error_code(codes::UNSUPPORTED_VERSION)
}

fn all(call: &Call<'_>) -> ApiVersionsResponse {
    let is_on = |key| call.broker().takes_client_metrics() || !is_telemetry(key);
    let served = APIS.iter().filter(|api| is_on(api.key)).map(|api| {
        ApiVersion::default()
            .with_api_key(api.key as i16)
            .with_min_version(api.advertised_min)
            .with_max_version(api.max)
    });
    ApiVersionsResponse::default().with_api_keys(served.collect())
}

/// The features that clients look at. As in Kafka, versions before 4 are not told of a feature that
/// can be turned off: their clients do not expect that.
fn with_features(call: &Call<'_>, response: ApiVersionsResponse) -> ApiVersionsResponse {
    let version = call.version();
    if version < 3 {
        return response;
    }
    let name = || StrBytes::from_static_str(TRANSACTION_VERSION);
    let level = Some(call.broker().transaction_version()).filter(|level| *level > 0);
    let finalized = level.map(|level| {
        let feature = FinalizedFeatureKey::default().with_name(name());
        feature.with_min_version_level(level).with_max_version_level(level)
    });
    let response = response
        .with_finalized_features_epoch(call.broker().features_epoch())
        .with_finalized_features(finalized.into_iter().collect());
    if version < 4 {
        return response;
    }
    let supported =
        SupportedFeatureKey::default().with_name(name()).with_max_version(MAX_TRANSACTION_VERSION);
    response.with_supported_features(vec![supported])
}

/// Letters, digits, dots and dashes, with a letter or digit at both ends (KIP-511).
fn is_software_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let outer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    outer(name.chars().next()) && outer(name.chars().last()) && name.chars().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names() {
        for good in ["librdkafka", "apache-kafka-java", "4.3.1", "a"] {
            assert!(is_software_name(good), "{good}");
        }
        for bad in ["", "-a", "a.", "a b", "ä"] {
            assert!(!is_software_name(bad), "{bad}");
        }
    }
}
