//! `DescribeClientQuotas`: lists client quotas (API key 48).
//!
//! A component matches by name (0), by being the default (1), or by being there at all (2).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `DescribeClientQuotasRequestData`.
    struct DescribeClientQuotasRequest (0..=1, flexible 1..) {
        components: Vec<ComponentData>,
        strict: bool,
    }
    struct ComponentData {
        entity_type: Str,
        /// 0 by name, 1 the default, 2 any
        match_type: i8,
        r#match: Option<Str>,
    }
    /// Java: `DescribeClientQuotasResponseData`.
    struct DescribeClientQuotasResponse (0..=1, flexible 1..) {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
        entries: Option<Vec<EntryData>>,
    }
    struct EntryData {
        entity: Vec<EntityData>,
        values: Vec<ValueData>,
    }
    struct EntityData {
        entity_type: Str,
        entity_name: Option<Str>,
    }
    struct ValueData {
        key: Str,
        value: f64,
    }
}
