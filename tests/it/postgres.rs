//! The same server on PostgreSQL.

use serde_json::Value;

use crate::postgres_server::postgres_server;
use crate::support::{Installed, client};

#[tokio::test]
async fn a_server_runs_on_postgresql() {
    let installed = Installed::with("postgres", &["--database", &postgres_server().create_database()]);
    installed.json(&["account", "create", "--name", "A", "--id", "a1"]);
    installed.json(&["video", "create", "--uid", "v1"]);
    let folder = installed.media().join("a1/v1/manifest");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("video.m3u8"), "#EXTM3U\n").unwrap();
    let made = installed.json(&["api-token", "create", "--name", "T"]);

    let (_server, url) = installed.serve();
    let http = client();
    let issue = http.post(format!("{url}/client/v4/accounts/a1/stream/v1/token"));
    let issued = issue.bearer_auth(made["token"].as_str().unwrap()).send().await.unwrap();
    let answer: Value = issued.json().await.unwrap();
    let token = answer["result"]["token"].as_str().unwrap_or_else(|| panic!("{answer}"));
    let manifest = format!("{url}/{token}/manifest/video.m3u8");
    assert_eq!(http.get(&manifest).send().await.unwrap().status(), 200);

    // Another process deletes the managed key; this one's gate hears of it by polling.
    let keys = installed.json(&["key", "list"]);
    installed.json(&["key", "delete", keys[0]["id"].as_str().unwrap()]);
    let mut status = 200;
    for _ in 0..300 {
        status = http.get(&manifest).send().await.unwrap().status().as_u16();
        if status != 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(status, 401, "the gate did not hear of the deletion within 3 s");
}
