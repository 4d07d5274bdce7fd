//! Whoever asks why gets the answer that the gate gave.

use serde_json::{Value, json};
use vidpass_token::json::Json;
use vidpass_token::{Claims, UnixTime, parse_rules};

use crate::support::{Demo, now, vidpass};

#[tokio::test]
async fn the_inspector_and_the_command_line_agree_with_the_gate() {
    let demo = Demo::start_with("explaining", &["--trusted-proxy", "127.0.0.0/8"]);
    let key = demo.create_key().await;
    let deleted = demo.create_key().await;
    demo.delete_key(&deleted.id).await;
    let rules = |rules: Value| Claims {
        access_rules: parse_rules(&Json::parse(rules.to_string().as_bytes()).unwrap(), 6).unwrap(),
        ..demo.claims()
    };
    let sign = |claims: &Claims| key.signing.sign(claims).unwrap().as_str().to_owned();
    let any = json!({ "type": "any", "action": "block" });
    let us = json!({ "type": "ip.geoip.country", "action": "block", "country": ["US"] });
    let office = json!({ "type": "ip.src", "action": "allow", "ip": ["192.0.2.0/24", "2001:db8::/32"] });
    let good = sign(&demo.claims());
    let late = Claims { not_before: Some(UnixTime(now() + 600)), ..demo.claims() };
    let mut count = 0;
    for token in [
        good.clone(),
        sign(&Claims { downloadable: true, ..demo.claims() }),
        sign(&Claims { expires: UnixTime(now() - 1), ..demo.claims() }),
        sign(&late),
        sign(&Claims { video: "another".parse().unwrap(), ..demo.claims() }),
        deleted.signing.sign(&demo.claims()).unwrap().as_str().to_owned(),
        sign(&rules(json!([us, office, any]))),
        sign(&rules(json!([us]))),
        sign(&rules(json!([any, any, any, any, any, any]))),
        format!("{}A", &good[..good.len() - 1]),
        good.rsplit_once('.').unwrap().0.to_owned(),
        format!("{good}="),
        format!("{good}{}", "A".repeat(4096)),
    ] {
        for ip in ["192.0.2.7", "8.8.8.8", "2001:db8::7", "193.10.0.1"] {
            for path in ["manifest/video.m3u8", "downloads/default.mp4", "..", "a%2fb"] {
                let header = [("x-forwarded-for", ip)];
                let answer = demo.outcome(&token, path, &header).await;
                let gate = answer.split_once(' ').map(|(_, code)| code);
                // Where the file is not there, or cannot be sent: nothing that a decision knows.
                let body = json!({ "token": token, "request": { "ip": ip, "path": path } });
                let (status, told) = demo.api("POST", "stream/tokens/inspect", Some(body)).await;
                assert_eq!((status.as_u16(), told["result"]["code"].as_str()), (200, gate), "{ip} {path}: {told}");
                assert_eq!(told["result"]["admitted"], gate.is_none());
                count += 1;
            }
        }
        let mut check = vidpass();
        check.args(["token", "check", "--json", "--ip", "8.8.8.8", &token]);
        check.arg("--database").arg(format!("sqlite:{}", demo.folder().join("vidpass.db").display()));
        let output = check.arg("--master-key-file").arg(demo.folder().join("master.key")).output().unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let answer = demo.outcome(&token, "manifest/video.m3u8", &[("x-forwarded-for", "8.8.8.8")]).await;
        assert_eq!(told["code"].as_str(), answer.split_once(' ').map(|(_, code)| code), "{told}");
        assert_eq!(output.status.success(), told["admitted"] == true);
    }
    assert_eq!(count, 13 * 4 * 4);
    assert!(!demo.process.log().contains(good.split('.').nth(1).unwrap()), "no token in the log");
}

#[tokio::test]
async fn a_decision_that_is_not_in_the_log_is_not_found() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = vidpass().args(["why", "0123456789abcdef", "--log"]).arg(file.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0123456789abcdef is not in this log\n");
    let none = vidpass().args(["why", "0123456789abcdef", "--log", "nothing.log"]).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
}
