//! Answers for people, or as JSON for machines.

use std::io::Write as _;

use serde_json::Value;

/// Prints a line. A reader who has seen enough and closed the pipe ends the program, and that is no failure.
pub(crate) fn line(text: &str) {
    if let Err(error) = writeln!(std::io::stdout(), "{text}") {
        let enough = error.kind() == std::io::ErrorKind::BrokenPipe;
        std::process::exit(if enough { 0 } else { i32::from(crate::FAILED) });
    }
}

/// Text of unknown origin for a terminal: what could move its cursor or colour it is spelt out.
pub(crate) fn visible(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_unicode().collect() } else { vec![c] }).collect()
}

/// Prints one answer: `json` as it is, or one line a member for people.
pub(crate) fn print_one(as_json: bool, answer: &Value) {
    if as_json {
        return line(&format!("{answer:#}"));
    }
    let Value::Object(members) = answer else { return line(&plain(answer)) };
    let width = members.keys().map(String::len).max().unwrap_or(0);
    for (name, value) in members {
        line(&format!("{name:width$}  {}", plain(value)));
    }
}

/// Prints a list: JSON as it is, or a table with the members of the first as columns.
pub(crate) fn print_list(as_json: bool, rows: &[Value]) {
    if as_json {
        return line(&format!("{:#}", Value::from(rows)));
    }
    let Some(Value::Object(first)) = rows.first() else { return line("(none)") };
    let columns: Vec<&String> = first.keys().collect();
    let cell = |row: &Value, column: &str| row.get(column).map(plain).unwrap_or_default();
    let widths: Vec<usize> = columns
        .iter()
        .map(|column| rows.iter().map(|row| cell(row, column).chars().count()).chain([column.len()]).max().unwrap_or(0))
        .collect();
    let print = |cells: Vec<String>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        line(padded.join("  ").trim_end());
    };
    print(columns.iter().map(|column| column.to_uppercase()).collect());
    for row in rows {
        print(columns.iter().map(|column| cell(row, column)).collect());
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.starts_with("-----BEGIN ") => text.clone(),
        Value::String(text) => visible(text),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(members) if members.is_empty() => "-".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
