//! The same server on PostgreSQL.

use serde_json::Value;

use crate::postgres_server::postgres_server;
use crate::support::{Process, run, vidpass};

#[tokio::test]
async fn a_server_runs_on_postgresql() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("vidpass.toml");
    let site = || {
        let mut command = vidpass();
        command.env("VIDPASS_CONFIG", &config);
        command
    };
    run(
        "postgres-init",
        vidpass().arg("init").arg(folder.path()).args(["--database", &postgres_server().create_database()]),
    );
    run("postgres-account", site().args(["account", "create", "--name", "A", "--id", "a1"]));
    run("postgres-video", site().args(["video", "create", "--uid", "v1"]));
    std::fs::create_dir_all(folder.path().join("media/v1/manifest")).unwrap();
    std::fs::write(folder.path().join("media/v1/manifest/video.m3u8"), "#EXTM3U\n").unwrap();
    // Its output is a secret, so it goes to no log.
    let made = site().args(["api-token", "create", "--name", "T", "--json"]).output().unwrap();
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();

    let mut serve = site();
    let mut server = Process::start(
        "postgres-server",
        serve.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "off", "--log-format", "json"]),
    );
    let url = server.wait_for(Process::listening);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let issue =
        http.post(format!("{url}/client/v4/accounts/a1/stream/v1/token")).bearer_auth(made["token"].as_str().unwrap());
    let answer: Value = issue.send().await.unwrap().json().await.unwrap();
    let token = answer["result"]["token"].as_str().unwrap_or_else(|| panic!("{answer}"));
    let manifest = format!("{url}/{token}/manifest/video.m3u8");
    assert_eq!(http.get(&manifest).send().await.unwrap().status(), 200);

    // Another process deletes the managed key; this one's gate hears of it by polling.
    let keys = run("postgres-keys", site().args(["key", "list", "--json"]));
    let keys: Value = serde_json::from_slice(&keys.stdout).unwrap();
    run("postgres-key-delete", site().args(["key", "delete", keys[0]["id"].as_str().unwrap()]));
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
