//! `GET /api/openapi.json`: what the API is, for programs. It says nothing about this server, so it
//! needs no key. `openapi.json` beside this file is written by hand; the tests hold it against the
//! router and against real answers.

use axum::response::Response;

use super::json;

pub(super) const PATH: &str = "/api/openapi.json";

const DOCUMENT: &str = include_str!("openapi.json");

pub(super) async fn document() -> Response {
    json(DOCUMENT.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;
    use tidegate_shared::code::ErrorCode;

    use super::*;
    use crate::transport::http::api;

    fn parsed() -> Value {
        serde_json::from_str(DOCUMENT).expect("JSON")
    }

    #[test]
    fn it_has_the_routers_paths_and_no_others() {
        let document = parsed();
        let described: BTreeSet<_> = document["paths"]
            .as_object()
            .expect("paths")
            .keys()
            .map(String::as_str)
            .collect();
        let mut routed: BTreeSet<_> = api::routes().into_iter().map(|(path, _)| path).collect();
        routed.insert(PATH);
        assert_eq!(described, routed);
    }

    #[test]
    fn it_has_the_version_and_every_error_code() {
        let document = parsed();
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        let codes: Vec<_> = ErrorCode::ALL.iter().map(|code| code.number()).collect();
        let names: Vec<_> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        let problem = &document["components"]["schemas"]["Problem"]["properties"];
        assert_eq!(problem["code"]["enum"], serde_json::json!(codes));
        assert_eq!(problem["name"]["enum"], serde_json::json!(names));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(reference)) = map.get("$ref") {
                        found.push(reference.clone());
                    }
                    map.values().for_each(|value| references(value, found));
                }
                Value::Array(list) => list.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document = parsed();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let pointer = reference.strip_prefix('#').expect("a local reference");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}
