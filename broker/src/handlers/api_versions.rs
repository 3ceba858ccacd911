//! ApiVersions: what this broker serves, read off the table of handlers. Mirrors
//! kafka.server.KafkaApis.handleApiVersionsRequest and KIP-511.

use proto::kafka::messages::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
use proto::kafka::{ApiKey, ErrorCode, frame};

use crate::metrics::Account;
use crate::state::Broker;

use super::{Call, Handled, served};

/// Answers, or refuses names of client software that KIP-511 does not allow.
pub(super) fn handle(call: Call, request: ApiVersionsRequest) -> Handled {
    let named = call.api_version < 3
        || (valid_name(&request.client_software_name)
            && valid_name(&request.client_software_version));
    let response = if named {
        // no finalized features: an epoch of 0 is what /feature has from its first writing on
        ApiVersionsResponse {
            api_keys: all(),
            finalized_features_epoch: call.broker.finalized_features_epoch(),
            ..ApiVersionsResponse::default()
        }
    } else {
        ApiVersionsResponse {
            error_code: ErrorCode::INVALID_REQUEST,
            ..ApiVersionsResponse::default()
        }
    };
    call.now(&response)
}

/// A version that is not known: answered in version 0 with the range of ApiVersions itself, so
/// that the client can ask again (KIP-511).
pub(super) fn unsupported(broker: &Broker, correlation_id: i32) -> Handled {
    let own = all()
        .into_iter()
        .filter(|api| api.api_key == ApiKey::ApiVersions as i16)
        .collect();
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: own,
        ..ApiVersionsResponse::default()
    };
    match frame::response_counted(ApiKey::ApiVersions, 0, correlation_id, &response) {
        Ok((frame, errors)) => {
            broker.metrics.requests.errors(ApiKey::ApiVersions, &errors);
            Handled::Now(frame, Account::default())
        }
        Err(_) => Handled::Close,
    }
}

fn all() -> Vec<ApiVersion> {
    served()
        .map(|(key, versions)| ApiVersion {
            api_key: key as i16,
            min_version: versions.min,
            max_version: versions.max,
            ..ApiVersion::default()
        })
        .collect()
}

/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`
fn valid_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    ends(bytes.first())
        && ends(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-.".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_client_software_follow_kip_511() {
        for good in ["a", "apache-kafka-java", "3.9.0"] {
            assert!(valid_name(good), "{good}");
        }
        for bad in ["", "-a", "a.", "a b", "a_b"] {
            assert!(!valid_name(bad), "{bad}");
        }
    }
}
