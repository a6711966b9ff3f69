//! The JSON Schema of the limits: one property per entry of the table.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::{Domain, LIMITS, Limit, Limits};

impl JsonSchema for Limits {
    fn schema_name() -> Cow<'static, str> {
        "Limits".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let property = |limit: &&Limit| {
            let mut schema = match limit.domain {
                Domain::Bytes { .. } => json!({ "type": "integer", "format": "uint64", "minimum": 0 }),
                Domain::Choice(words) => json!({ "type": "string", "enum": words }),
            };
            if limit.auto_bound.is_some() {
                let within = json!({ "type": "string", "pattern": "^auto:[0-9]+(B|[KMG]i?B)$" });
                schema = json!({ "anyOf": [schema, within] });
            } else if limit.auto.is_some() {
                schema = json!({ "anyOf": [schema, { "type": "null" }] });
            }
            schema["description"] = limit.help.into();
            (limit.flag.to_owned(), schema)
        };
        let properties: serde_json::Map<String, Value> = LIMITS.iter().map(property).collect();
        let required: Vec<&str> =
            LIMITS.iter().filter(|limit| limit.before.is_none()).map(|limit| limit.flag).collect();
        json_schema!({
            "description": "The limits and choices in force by the flags that set them, all sizes in bytes.",
            "type": "object",
            "properties": properties,
            "required": required,
        })
    }
}
