//! `vidpass serve` does what its configuration says.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Installed, Site, now};

#[tokio::test]
async fn an_api_key_opens_the_api_until_it_is_deleted() {
    let site = Site::start("api-key", "");
    assert_eq!(site.api("stream/v1/token", &json!({})).await.0, 200);
    let keys = site.installed.json(&["api-key", "list"]);
    assert_eq!((&keys[0]["kind"], &keys[0]["email"]), (&"api-key".into(), &site.email.into()));
    site.installed.json(&["api-key", "delete", keys[0]["id"].as_str().unwrap()]);
    assert_eq!(site.api("stream/v1/token", &json!({})).await.0, 401);
}

#[tokio::test]
async fn a_trusted_proxy_names_the_viewer_in_the_header_that_was_chosen() {
    let site =
        Site::start("forwarded", "[viewer]\ntrusted_proxies = [\"127.0.0.0/8\"]\nforwarded_header = \"forwarded\"");
    let rules =
        json!([{ "type": "ip.src", "action": "allow", "ip": ["192.0.2.0/24"] }, { "type": "any", "action": "block" }]);
    let token = site.issue(json!({ "accessRules": rules })).await;
    for (header, status) in [
        (("forwarded", "for=192.0.2.7;proto=https"), 200),
        (("forwarded", "for=192.0.2.7, for=198.51.100.1"), 403),
        (("forwarded", "for=198.51.100.1, for=\"192.0.2.7:4711\""), 200),
        (("forwarded", "for=_hidden"), 403),
        (("x-forwarded-for", "192.0.2.7"), 403),
    ] {
        assert_eq!(site.view(&token, header).await, status, "{header:?}");
    }
}

#[tokio::test]
async fn tokens_are_read_from_the_one_place_that_is_set() {
    for place in ["query:vp", "cookie:vp", "header:authorization"] {
        let site = Site::start(&place.replace(':', "-"), &format!("[viewer]\ntoken_in = \"{place}\""));
        let token = site.issue(json!({})).await;
        let (cookie, bearer) = (format!("vp={token}"), format!("Bearer {token}"));
        for (name, header) in [
            ("query:vp", ("accept", "*/*")),
            ("cookie:vp", ("cookie", cookie.as_str())),
            ("header:authorization", ("authorization", bearer.as_str())),
            ("none", ("x-token", token.as_str())),
        ] {
            let query = if name == "query:vp" { format!("?vp={token}") } else { String::new() };
            let url = format!("{}/v1/manifest/video.m3u8{query}", site.url);
            let status = site.http.get(url).header(header.0, header.1).send().await.unwrap().status();
            assert_eq!(status == 200, name == place, "{name} where {place} is set: {status}");
        }
        assert_eq!(site.view(&token, ("accept", "*/*")).await, 400, "{place}: the path is not read");
    }
}

#[tokio::test]
async fn the_log_may_keep_viewers_addresses_to_itself() {
    for (style, expected) in [("full", "\"127.0.0.1\""), ("truncated", "\"127.0.0.0/24\""), ("hashed", "")] {
        let site = Site::start(&format!("address-{style}"), &format!("[log]\nviewer_address = \"{style}\""));
        assert_eq!(site.view("v1", ("accept", "*/*")).await, 401);
        let log = site.server.log();
        let line = log.lines().find(|line| line.contains("token_required")).unwrap();
        assert!(line.contains(&format!("\"viewer.address\":{expected}")), "{line}");
        assert_eq!(line.contains("127.0.0.1\",\"viewer"), style == "full", "{line}");
    }
}

#[tokio::test]
async fn a_dry_run_is_switched_on_and_off_while_the_server_runs() {
    let site = Site::start("dry-run", "");
    let block = site.issue(json!({ "accessRules": [{ "type": "any", "action": "block" }] })).await;
    let view = async |expected| {
        let started = Instant::now();
        // Another process changes the database, so the server learns of it within a second.
        while site.view(&block, ("accept", "*/*")).await != expected {
            assert!(started.elapsed() < Duration::from_secs(10), "never {expected}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    view(403).await;
    site.installed.json(&["account", "edit", "a1", "--dry-run", "true"]);
    view(200).await;
    site.installed.json(&["video", "edit", "v1", "--dry-run", "false"]);
    view(403).await;
    site.installed.json(&["video", "edit", "v1", "--dry-run", "account"]);
    view(200).await;
    site.installed.json(&["account", "edit", "a1", "--dry-run", "false"]);
    view(403).await;
    assert!(site.server.log().contains("would deny"));
}

#[tokio::test]
async fn tokens_are_taken_back_at_once_or_by_another_process_within_a_second() {
    let site = Site::start("revoke", "");
    let view = async |token: &str| site.view(token, ("accept", "*/*")).await;
    let alice = site.issue(json!({ "viewer": "alice@example.com", "viewerVersion": 1 })).await;
    let bob = site.issue(json!({ "viewer": "bob" })).await;
    for token in [&alice, &bob] {
        assert_eq!(view(token).await, 200);
    }
    let body = json!({ "viewer": "alice@example.com", "version": 1, "reason": "lost phone" });
    assert_eq!(site.api("stream/revocations", &body).await.0, 200);
    assert_eq!((view(&alice).await, view(&bob).await), (401, 200), "from the answer on");
    let next = site.issue(json!({ "viewer": "alice@example.com", "viewerVersion": 2 })).await;
    assert_eq!(view(&next).await, 200);

    let started = Instant::now();
    let made = site.installed.json(&["revoke", "token", &bob, "--reason", "posted in a forum"]);
    assert_eq!((&made["kind"], &made["tokens"]), (&"token".into(), &"all".into()));
    while view(&bob).await != 401 {
        assert!(started.elapsed() < Duration::from_secs(10), "never refused");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let check = site.installed.command(&["token", "check", &bob, "--ip", "192.0.2.7"]).output().unwrap();
    assert!(String::from_utf8(check.stdout).unwrap().contains("token_revoked"));
    let listed = site.installed.json(&["revoke", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    site.installed.json(&["revoke", "delete", made["id"].as_str().unwrap()]);
    while view(&bob).await != 200 {
        assert!(started.elapsed() < Duration::from_secs(20), "never let in again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    site.installed.json(&["revoke", "video", "v1", "--reason", "recut", "--until", "720h"]);
    while view(&next).await != 401 {
        assert!(started.elapsed() < Duration::from_secs(30), "never refused");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let nonsense = site.installed.command(&["revoke", "token", "a.b.c", "--reason", "x"]).output().unwrap();
    assert_eq!(nonsense.status.code(), Some(2));
    assert!(!site.server.log().contains(alice.split('.').nth(1).unwrap()), "no token in the log");
}

#[tokio::test]
async fn an_app_on_no_page_is_let_in_where_the_settings_say_so() {
    for (setting, of_app) in [("", 403), ("[viewer]\nallow_missing_origin = true", 200)] {
        let site = Site::start("missing-origin", setting);
        assert_eq!(site.api("stream/v1", &json!({ "allowedOrigins": ["example.com"] })).await.0, 200);
        let token = site.issue(json!({})).await;
        for (header, status) in [
            (("origin", "https://example.com"), 200),
            (("sec-fetch-site", "same-origin"), 200),
            (("accept", "*/*"), of_app),
            (("sec-fetch-site", "cross-site"), 403),
            (("origin", "null"), 403),
        ] {
            assert_eq!(site.view(&token, header).await, status, "{setting:?} {header:?}");
        }
    }
}

#[tokio::test]
async fn settings_of_tokens_bind_issuer_and_gate() {
    let settings = "[tokens]\nmax_lifetime = \"10m\"\ndefault_lifetime = \"5m\"\nmax_accepted_lifetime = \"7m\"\nmax_access_rules = 1";
    let site = Site::start("token-settings", settings);
    let (status, answer) = site.api("stream/v1/token", &json!({ "exp": now() + 660 })).await;
    assert_eq!((status, &answer["errors"][0]["reason"]), (400, &"exp_too_far".into()));
    let any = json!({ "type": "any", "action": "allow" });
    let (status, answer) = site.api("stream/v1/token", &json!({ "accessRules": [any, any] })).await;
    assert_eq!((status, &answer["errors"][0]["reason"]), (400, &"rules_too_many".into()));
    let (usual, long) = (site.issue(json!({})).await, site.issue(json!({ "exp": now() + 540 })).await);
    assert_eq!(site.view(&usual, ("accept", "*/*")).await, 200);
    assert_eq!(site.view(&long, ("accept", "*/*")).await, 401);
}

#[tokio::test]
async fn a_video_is_deleted_when_its_time_has_come() {
    let site = Site::start("scheduled-deletion", "");
    let token = site.issue(json!({})).await;
    let date = jiff::Timestamp::from_second(now() + 2).unwrap().to_string();
    let (status, answer) = site.api("stream/v1", &json!({ "scheduledDeletion": date })).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(site.view(&token, ("accept", "*/*")).await, 200);
    let started = Instant::now();
    while site.view(&token, ("accept", "*/*")).await == 200 {
        assert!(started.elapsed() < Duration::from_secs(30), "the video is still there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(site.view(&token, ("accept", "*/*")).await, 401);
    assert!(site.installed.media().join("a1/v1/manifest/video.m3u8").exists(), "its files stay");
}

#[tokio::test]
async fn a_country_file_that_cannot_be_used_stops_the_start() {
    let installed = Installed::new("country-file");
    std::fs::write(installed.folder().join("country.mmdb"), "no database").unwrap();
    installed.set("[viewer]\ncountry_database = \"country.mmdb\"");
    let output = installed.command(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "off"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("viewer.country_database") && text.contains("country.mmdb"), "{text}");
}

#[tokio::test]
async fn a_database_that_went_back_in_time_is_noticed() {
    let site = Site::start("rewound-database", "");
    let token = site.issue(json!({})).await;
    assert_eq!(site.view(&token, ("accept", "*/*")).await, 200);
    // What a restored backup looks like to a gate: fewer changes than it knows, and a key that it knows is not there.
    let database = site.installed.folder().join("vidpass.db");
    let sql = "DELETE FROM signing_key; DELETE FROM change_log; UPDATE change_counter SET seq = 0;";
    let sqlite =
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=10); c.executescript(sys.argv[2]); c.commit()";
    let edit = std::process::Command::new("python3").args(["-c", sqlite]).arg(&database).arg(sql).output().unwrap();
    assert!(edit.status.success(), "{}", String::from_utf8_lossy(&edit.stderr));
    let started = Instant::now();
    while site.view(&token, ("accept", "*/*")).await == 200 {
        assert!(started.elapsed() < Duration::from_secs(10), "the deleted key is still good");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
