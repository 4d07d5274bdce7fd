//! Answers for people, or as JSON for machines.

use serde_json::Value;

/// Prints one answer: `json` as it is, or one line a member for people.
pub(crate) fn print_one(as_json: bool, answer: &Value) {
    if as_json {
        println!("{answer:#}");
        return;
    }
    let Value::Object(members) = answer else { return println!("{}", plain(answer)) };
    let width = members.keys().map(String::len).max().unwrap_or(0);
    for (name, value) in members {
        println!("{name:width$}  {}", plain(value));
    }
}

/// Prints a list: JSON as it is, or a table with the members of the first as columns.
pub(crate) fn print_list(as_json: bool, rows: &[Value]) {
    if as_json {
        println!("{:#}", Value::from(rows));
        return;
    }
    let Some(Value::Object(first)) = rows.first() else { return println!("(none)") };
    let columns: Vec<&String> = first.keys().collect();
    let cell = |row: &Value, column: &str| row.get(column).map(plain).unwrap_or_default();
    let widths: Vec<usize> = columns
        .iter()
        .map(|column| rows.iter().map(|row| cell(row, column).chars().count()).chain([column.len()]).max().unwrap_or(0))
        .collect();
    let line = |cells: Vec<String>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("{}", padded.join("  ").trim_end());
    };
    line(columns.iter().map(|column| column.to_uppercase()).collect());
    for row in rows {
        line(columns.iter().map(|column| cell(row, column)).collect());
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(members) if members.is_empty() => "-".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
