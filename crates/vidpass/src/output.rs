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

/// Text of unknown origin for a terminal: what could move its cursor, colour it or turn its letters around is spelt out.
pub(crate) fn visible(text: &str) -> String {
    text.chars().flat_map(|c| if is_hidden(c) { c.escape_unicode().collect() } else { vec![c] }).collect()
}

/// The same value as text in which nothing is hidden, for machines and for the terminals of those who look.
fn visible_json(value: &Value) -> String {
    let escaped = |c: char| c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
    let text = format!("{value:#}");
    text.chars().map(|c| if is_hidden(c) && c != '\n' { escaped(c) } else { c.to_string() }).collect()
}

/// Controls, and Unicode's format characters (general category Cf).
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

/// Prints one answer: `json` as it is, or one line a member for people.
pub(crate) fn print_one(as_json: bool, answer: &Value) {
    if as_json {
        return line(&visible_json(answer));
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
        return line(&visible_json(&Value::from(rows)));
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
        Value::String(text) => visible(text),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(members) if members.is_empty() => "-".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => visible(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_printed() {
        let hostile = "-----BEGIN \u{1b}[2J\nline\u{9b}31m\u{7f}\u{202e}rtl\u{e0041}é";
        let spelt = "-----BEGIN \\u{1b}[2J\\u{a}line\\u{9b}31m\\u{7f}\\u{202e}rtl\\u{e0041}é";
        assert_eq!(plain(&json!(hostile)), spelt);
        assert!(!plain(&json!({ "reason": hostile })).contains(is_hidden));
        let value = json!([{ "reason": hostile }]);
        let text = visible_json(&value);
        assert!(!text.replace('\n', "").contains(is_hidden), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
