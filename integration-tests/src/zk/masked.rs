//! What operators see, without what differs by its nature: numbers, times, sizes.

use serde_json::Value;

/// Every run of digits becomes `#`, hexadecimal ones after `0x` too.
pub fn masked(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if !c.is_ascii_digit() {
            out.push(c);
            continue;
        }
        let hex = c == '0' && chars.peek() == Some(&'x');
        if hex {
            chars.next();
        }
        while chars
            .peek()
            .is_some_and(|c| c.is_ascii_digit() || hex && c.is_ascii_hexdigit() || *c == '.')
        {
            chars.next();
        }
        out.push('#');
    }
    out
}

/// Keys and kinds of values.
pub fn shape(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (masked(key), shape(value)))
            .collect(),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::Number(n) if n.is_f64() => "real".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "text".into(),
        other => other.clone(),
    }
}
