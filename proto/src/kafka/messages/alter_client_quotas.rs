//! `AlterClientQuotas`: sets and removes client quotas (API key 49).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `AlterClientQuotasRequestData`.
    struct AlterClientQuotasRequest (0..=1, flexible 1..) {
        entries: Vec<RequestEntryData>,
        validate_only: bool,
    }
    struct RequestEntryData {
        entity: Vec<RequestEntityData>,
        ops: Vec<OpData>,
    }
    struct RequestEntityData {
        entity_type: Str,
        entity_name: Option<Str>,
    }
    struct OpData {
        key: Str,
        value: f64,
        remove: bool,
    }
    /// Java: `AlterClientQuotasResponseData`.
    struct AlterClientQuotasResponse (0..=1, flexible 1..) {
        throttle_time_ms: i32,
        entries: Vec<ResponseEntryData>,
    }
    struct ResponseEntryData {
        error_code: ErrorCode,
        error_message: Option<Str>,
        entity: Vec<ResponseEntityData>,
    }
    struct ResponseEntityData {
        entity_type: Str,
        entity_name: Option<Str>,
    }
}
