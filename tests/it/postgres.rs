//! The same server on PostgreSQL.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;

use crate::postgres_server::postgres_server;
use crate::support::{Cable, Installed, client};

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

/// The network between gate and database is cut: nothing is answered, and nothing is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_is_cut_off_admits_until_its_lease_is_over_and_comes_back() {
    const LEASE: Duration = Duration::from_secs(3);
    let (cable, database) = database_over_a_cable().await;
    let installed = Installed::with("cut-off", &["--database", &database]);
    installed.set("[tokens]\nlease = \"3s\"");
    installed.json(&["account", "create", "--name", "A", "--id", "a1"]);
    installed.json(&["video", "create", "--uid", "v1"]);
    let file = installed.media().join("a1/v1/a.ts");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, "film").unwrap();
    let pem = installed.folder().join("key.pem");
    let made = installed.json(&["key", "create", "--alg", "ES256", "--out", pem.to_str().unwrap()]);
    let sign =
        ["token", "sign", "--video", "v1", "--kid", made["id"].as_str().unwrap(), "--key", pem.to_str().unwrap()];
    let token = String::from_utf8(installed.command(&sign).output().unwrap().stdout).unwrap();

    let (_server, url) = installed.serve();
    let (http, url) = (client(), format!("{url}/{}/a.ts", token.trim()));
    let view = async || http.get(&url).send().await.unwrap().status().as_u16();
    assert_eq!(view().await, 200);
    for _ in 0..3 {
        cable.cut();
        let cut = Instant::now();
        let mut last_admitted = Duration::ZERO;
        while cut.elapsed() < LEASE + Duration::from_secs(2) {
            match view().await {
                200 => last_admitted = cut.elapsed(),
                status => assert_eq!(status, 503),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // The last answer may be a second old when the cable is cut.
        let until_its_end = LEASE - Duration::from_secs(2)..=LEASE + Duration::from_secs(1);
        assert!(until_its_end.contains(&last_admitted), "{last_admitted:?}");
        cable.mend();
        let mended = Instant::now();
        while view().await != 200 {
            assert!(mended.elapsed() < Duration::from_secs(4), "it does not come back");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_was_cut_off_issues_again_once_it_is_not() {
    let (cable, database) = database_over_a_cable().await;
    let installed = Installed::with("cut-off-issuer", &["--database", &database]);
    installed.json(&["account", "create", "--name", "A", "--id", "a1"]);
    let made = installed.json(&["api-token", "create", "--name", "T"]);
    let (_server, url) = installed.serve();
    let (http, url) = (client(), format!("{url}/client/v4/accounts/a1/stream/v1/token"));
    let issue = async || http.post(&url).bearer_auth(made["token"].as_str().unwrap()).send().await.unwrap().status();
    // As many at once as there are connections, so that each of them is cut.
    for status in join_all((0..20).map(|_| issue())).await {
        assert_eq!(status, 200);
    }
    cable.cut();
    for status in join_all((0..20).map(|_| issue())).await {
        assert_eq!(status, 503);
    }
    cable.mend();
    let mended = Instant::now();
    assert_eq!(issue().await, 200);
    assert!(mended.elapsed() < Duration::from_secs(2), "{:?}", mended.elapsed());
}

/// A new database, and its URL through a cable.
async fn database_over_a_cable() -> (Cable, String) {
    let database = postgres_server().create_database();
    let (address, folder) = database.split_once("?host=").unwrap();
    let cable = Cable::to(&format!("{folder}/.s.PGSQL.5432")).await;
    let url = address.replace("localhost", &format!("127.0.0.1:{}", cable.port));
    (cable, url)
}
