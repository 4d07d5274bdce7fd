//! What the dashboard in `docs/grafana` shows is what the program counts.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::support::{Installed, Process, free_port, repository};

#[tokio::test]
async fn the_dashboard_asks_for_what_is_there() {
    let installed = Installed::new("metrics");
    installed.json(&["account", "create", "--name", "A", "--id", "a1"]);
    installed.set(&format!("[origins.empty]\ntype = \"http\"\nurl = \"{}\"", empty_origin()));
    installed.json(&["video", "create", "--uid", "v1", "--require-signed-urls", "false", "--origin", "empty"]);
    installed.json(&["video", "create", "--uid", "v2"]);
    let admin = format!("127.0.0.1:{}", free_port());
    let mut command = installed.command(&["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    let mut server = Process::start("metrics-server", command.args(["--admin-listen", &admin]));
    let url = server.wait_for(Process::listening);
    let status = async |path: &str| reqwest::get(format!("{url}/{path}")).await.unwrap().status().as_u16();
    assert_eq!(status("v1/manifest/none.m4s").await, 404);
    assert_eq!(status("v2/manifest/video.m3u8").await, 401);
    let issuing = reqwest::Client::new().post(format!("{url}/client/v4/accounts/a1/stream/v2/token"));
    let key = installed.json(&["api-token", "create", "--name", "T"])["token"].as_str().unwrap().to_owned();
    assert_eq!(issuing.bearer_auth(key).send().await.unwrap().status(), 200);
    let metrics = reqwest::get(format!("http://{admin}/metrics")).await.unwrap().text().await.unwrap();
    let counted: BTreeSet<&str> =
        metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();

    let dashboard = std::fs::read_to_string(repository().join("docs/grafana/vidpass.json")).unwrap();
    let _: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let asked: BTreeSet<&str> = dashboard
        .split(|c| !word(c))
        .filter(|word| word.starts_with("vidpass_"))
        .map(|name| name.trim_end_matches("_total").trim_end_matches("_bucket"))
        .collect();
    assert!(asked.len() > 10, "{asked:?}");
    let missing: Vec<_> = asked.difference(&counted).collect();
    assert!(missing.is_empty(), "{missing:?} are not among {counted:?}");

    for line in [
        r#"vidpass_gate_not_served_total{code="not_found"} 1"#,
        r#"vidpass_gate_request_duration_seconds_count{via="gate"} 2"#,
    ] {
        assert!(metrics.lines().any(|counted| counted == line), "{line} is not in {metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"), "OpenMetrics ends so");
}

/// A server that has nothing, and says so.
fn empty_origin() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        }
    });
    url
}
