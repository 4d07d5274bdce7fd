//! `vidpass why`

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use super::Outcome;
use crate::config::{self, Place};
use crate::output::{line, visible};

/// Explain a refusal: find the decision of this id in the log
#[derive(Args, Debug)]
#[command(after_help = "\
A refused viewer finds the id in the header X-Vidpass-Decision, and on the page that a player shows.

Examples:
  vidpass why 3f2a9c0d1e4b5a67
  journalctl -u vidpass -o cat | vidpass why 3f2a9c0d1e4b5a67 --log -

Exit codes: 0 found, 1 not in the log, 2 the log cannot be read.")]
pub(crate) struct Why {
    /// The decision's id: 16 hex digits
    #[arg(value_parser = decision_id)]
    id: String,
    /// File with the log, or - for standard input [default: log.file of the configuration]
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Configuration file [default: vidpass.toml, where there is one]
    #[arg(long, short, value_name = "FILE", env = "VIDPASS_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// Print the line of the log as it is
    #[arg(long)]
    json: bool,
}

impl Why {
    pub(crate) fn run(self) -> anyhow::Result<Outcome> {
        let found = match self.log_file()? {
            Some(path) => {
                let file = File::open(&path).with_context(|| format!("{} cannot be read", path.display()))?;
                find(&self.id, BufReader::new(file))
            }
            None => find(&self.id, std::io::stdin().lock()),
        };
        match found.context("the log cannot be read")? {
            Some(text) if self.json => line(&text),
            Some(text) => print_for_people(&text),
            None => {
                line(&format!("{} is not in this log", self.id));
                return Ok(Outcome::Refused);
            }
        }
        Ok(Outcome::Done)
    }

    /// `None` is standard input.
    fn log_file(&self) -> anyhow::Result<Option<PathBuf>> {
        if let Some(log) = &self.log {
            return Ok(Some(log.clone()).filter(|log| log != Path::new("-")));
        }
        let place = Place { config: self.config.clone(), ..Place::default() };
        let config = config::read(&place.into()).context("without --log the configuration says where the log is")?;
        config.log.file.map(Some).context("log.file is not set; give the log with --log, or - for standard input")
    }
}

fn decision_id(text: &str) -> Result<String, &'static str> {
    let hex = text.len() == 16 && text.bytes().all(|c| c.is_ascii_hexdigit());
    if hex { Ok(text.to_ascii_lowercase()) } else { Err("an id has 16 hex digits, such as 3f2a9c0d1e4b5a67") }
}

/// The line that has the id.
fn find(id: &str, mut log: impl BufRead) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if log.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&bytes);
        if text.contains(id) {
            return Ok(Some(text.trim_end().to_owned()));
        }
    }
}

/// What a line of JSON tells, in the order in which people ask; any other line as it is.
fn print_for_people(text: &str) {
    let Some(Value::Object(fields)) = text.find('{').and_then(|start| serde_json::from_str(&text[start..]).ok()) else {
        return line(&visible(text));
    };
    let field = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(visible(text)),
        Some(other) => Some(other.to_string()),
    };
    let words = |names: &[&str]| {
        let found: Vec<String> = names.iter().filter_map(|name| field(name)).collect();
        (!found.is_empty()).then(|| found.join(" "))
    };
    let outcome = if field("message").as_deref() == Some("would deny") { "WOULD BE REFUSED" } else { "REFUSED" };
    line(&format!("{outcome} {}: {}", field("deny.code").unwrap_or_default(), field("detail").unwrap_or_default()));
    for (title, value) in [
        ("when", field("timestamp")),
        ("asked", words(&["http.method", "http.host", "path"])),
        ("viewer", words(&["viewer.address", "viewer.country"])),
        ("account", field("account.id")),
        ("video", field("video.id")),
        ("key", field("key.id")),
        ("token", field("token.fingerprint")),
        ("rule", field("rule.index").map(|index| format!("{index} (the first is 0)"))),
        ("status", field("http.status")),
        ("via", field("via")),
    ] {
        if let Some(value) = value {
            line(&format!("  {title:8} {value}"));
        }
    }
    if let Some(command) = to_try_again(field) {
        line(&format!("\nWith the token at hand, see every check:\n  {command}"));
    }
}

/// The command for the same request; `None` where the log has an address that was cut or hashed, or a path cut short.
fn to_try_again(field: impl Fn(&str) -> Option<String>) -> Option<String> {
    let address = field("viewer.address").filter(|address| address.parse::<IpAddr>().is_ok())?;
    let path = field("path").filter(|path| !path.contains('…'))?;
    Some(format!("vidpass token check - --ip {address} --path {path} --at {}", field("timestamp")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_with_the_id_is_found() {
        let log = "one\n{\"decision.id\":\"0123456789abcdef\"}\r\nÿ 0123456789abcdee";
        let find = |id| find(id, log.as_bytes()).unwrap();
        assert_eq!(find("0123456789abcdef").as_deref(), Some("{\"decision.id\":\"0123456789abcdef\"}"));
        assert_eq!(find("0123456789abcdee").as_deref(), Some("ÿ 0123456789abcdee"));
        assert_eq!(find("ffffffffffffffff"), None);
    }

    #[test]
    fn only_what_the_log_has_in_full_can_be_tried_again() {
        let command = |address: &str, path: &str| {
            to_try_again(|name| {
                let fields = [("viewer.address", address), ("path", path), ("timestamp", "2026-01-02T03:04:05Z")];
                fields.iter().find(|(field, _)| *field == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(
            command("192.0.2.7", "hls/1.ts").as_deref(),
            Some("vidpass token check - --ip 192.0.2.7 --path hls/1.ts --at 2026-01-02T03:04:05Z")
        );
        for (address, path) in
            [("192.0.2.0/24", "a"), ("9f86d081884c7d65", "a"), ("192.0.2.7", "…/a"), ("192.0.2.7", "a/…")]
        {
            assert_eq!(command(address, path), None, "{address} {path}");
        }
    }

    #[test]
    fn an_id_is_sixteen_hex_digits() {
        assert_eq!(decision_id("0123456789ABCDEF"), Ok("0123456789abcdef".to_owned()));
        for text in ["", "0123456789abcde", "0123456789abcdefa", "0123456789abcdeg"] {
            assert!(decision_id(text).is_err(), "{text}");
        }
    }
}
