use std::collections::BTreeSet;

use serde_json::Value;
use vidpass_api_types::Reason;

use super::openapi_json;
use crate::ops::service::docs::ERRORS;

const CHECKED_IN: &str = include_str!("../../../../docs/openapi.json");

#[test]
fn the_document_in_the_repository_is_this_one() {
    assert!(
        CHECKED_IN == format!("{}\n", openapi_json()),
        "regenerate it: cargo run -p vidpass -- openapi > docs/openapi.json"
    );
}

#[test]
fn every_operation_has_an_id_and_a_summary() {
    let ids: Vec<String> = operations().into_iter().map(|(_, _, operation)| text(&operation["operationId"])).collect();
    assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "two operations of one id");
    for (path, method, operation) in operations() {
        let id = text(&operation["operationId"]);
        assert!(id.contains('_'), "{id}: <verb>_<resource>");
        assert!(!text(&operation["summary"]).is_empty(), "{method} {path}");
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
        assert_eq!(in_path, path.matches('{').count(), "{method} {path}");
    }
}

#[test]
fn the_routes_are_those_of_the_document() {
    let documented = operations()
        .into_iter()
        .map(|(path, method, operation)| (path, method.to_uppercase(), text(&operation["operationId"])));
    // One path has a second operation, since a key may have its last word as its id: the document has that once.
    let also_a_key = |(path, method, _): &(String, String, String)| path.ends_with("/rotate") && method == "DELETE";
    let routes: BTreeSet<_> = crate::routes::named().filter(|route| !also_a_key(route)).collect();
    assert_eq!(routes, documented.collect());
}

#[test]
fn every_reason_is_explained() {
    let sections: Vec<&str> = ERRORS.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let reasons: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(sections, reasons);
    for reason in Reason::ALL {
        let section = ERRORS.split(&format!("\n## {reason}\n\n")).nth(1).unwrap();
        assert!(section.lines().next().unwrap().contains(&format!("code {}.", reason.code())), "{reason}");
    }
}

fn operations() -> Vec<(String, String, Value)> {
    let document: Value = serde_json::from_str(&openapi_json()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let item = item.as_object().unwrap().clone();
        let path = path.clone();
        item.into_iter().map(move |(method, operation)| (path.clone(), method, operation))
    };
    paths.iter().flat_map(of_path).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
