//! Access rules through the running gate, for viewers behind a trusted proxy.

use serde_json::{Value, json};

use crate::support::Demo;

const MANIFEST: &str = "manifest/video.m3u8";

/// The example of the API's documentation.
fn documented() -> Value {
    json!([
        { "type": "ip.geoip.country", "action": "block", "country": ["US", "MX"] },
        { "type": "ip.src", "action": "allow", "ip": ["93.184.216.0/24", "2400:cb00::/32"] },
        { "type": "any", "action": "block" },
    ])
}

#[tokio::test]
async fn the_documented_example_decides_for_every_kind_of_viewer() {
    let demo = Demo::start_with("rules", &["--trusted-proxy", "127.0.0.0/8"]);
    let token = demo.issue(json!({ "accessRules": documented() })).await;
    for (viewer, expected) in VIEWERS {
        let got = demo.outcome(&token, MANIFEST, &[("x-forwarded-for", viewer)]).await;
        assert_eq!(&got, expected, "{viewer}");
    }
    let log = demo.process.log();
    assert!(log.contains(r#""rule.index":0"#) && log.contains(r#""rule.index":2"#), "the log names the rule");
}

/// A viewer, as the proxy names them, and what they get. Countries are those of the embedded database.
const VIEWERS: &[(&str, &str)] = &[
    // In an allowed network, and in no blocked country: Germany, India, unknown.
    ("2400:cb00:100::1", "200"),
    ("2400:cb00:1000::1", "200"),
    ("93.184.216.34", "200"),
    ("::ffff:93.184.216.34", "200"),
    // In an allowed network, and in the United States: the first rule that matches decides.
    ("2400:cb00::1", "403 rule_blocked"),
    // In a blocked country: the United States and Mexico, IPv4, IPv6 and IPv4-mapped.
    ("8.8.8.8", "403 rule_blocked"),
    ("2001:4860:4860::8888", "403 rule_blocked"),
    ("::ffff:8.8.8.8", "403 rule_blocked"),
    ("189.128.0.1", "403 rule_blocked"),
    // Elsewhere (Sweden), or nowhere that is known.
    ("193.10.0.1", "403 rule_blocked"),
    ("10.1.2.3", "403 rule_blocked"),
    ("2001:db8::1", "403 rule_blocked"),
    ("::ffff:10.1.2.3", "403 rule_blocked"),
    // Beside an allowed network.
    ("93.184.217.0", "403 rule_blocked"),
    ("2400:cb01::1", "403 rule_blocked"),
    // What is no address decides nothing.
    ("unknown", "403 viewer_address_unknown"),
    ("", "403 viewer_address_unknown"),
    // Peeled from the right: the proxy's word counts, the viewer's own does not.
    ("93.184.216.34, 8.8.8.8", "403 rule_blocked"),
    ("8.8.8.8, 93.184.216.34", "200"),
    ("8.8.8.8, 93.184.216.34, 127.0.0.1", "200"),
];

#[tokio::test]
async fn one_rule_at_a_time() {
    let demo = Demo::start_with("single-rules", &["--trusted-proxy", "127.0.0.0/8"]);
    let any_block = json!({ "type": "any", "action": "block" });
    let country = |action: &str, code: &str| json!({ "type": "ip.geoip.country", "action": action, "country": [code] });
    let ip = |action: &str, network: &str| json!({ "type": "ip.src", "action": action, "ip": [network] });
    for (rules, viewer, expected) in [
        (json!([country("allow", "SE"), any_block]), "193.10.0.1", "200"),
        (json!([country("allow", "SE"), any_block]), "8.8.8.8", "403 rule_blocked"),
        (json!([country("allow", "SE"), any_block]), "10.1.2.3", "403 rule_blocked"),
        (json!([country("block", "SE")]), "10.1.2.3", "200"),
        (json!([country("block", "SE")]), "193.10.0.1", "403 rule_blocked"),
        (json!([country("block", "SE")]), "::ffff:193.10.0.1", "403 rule_blocked"),
        (json!([ip("block", "0.0.0.0/0")]), "2001:db8::1", "200"),
        (json!([ip("block", "0.0.0.0/0")]), "198.51.100.1", "403 rule_blocked"),
        (json!([ip("block", "0.0.0.0/0")]), "::ffff:198.51.100.1", "403 rule_blocked"),
        (json!([ip("block", "::/0")]), "198.51.100.1", "200"),
        (json!([ip("allow", "198.51.100.0/24")]), "203.0.113.1", "200"),
        (json!([ip("allow", "198.51.100.0/24"), any_block]), "203.0.113.1", "403 rule_blocked"),
        (json!([any_block]), "203.0.113.1", "403 rule_blocked"),
    ] {
        let token = demo.issue(json!({ "accessRules": rules })).await;
        let got = demo.outcome(&token, MANIFEST, &[("x-forwarded-for", viewer)]).await;
        assert_eq!(got, expected, "{rules} for {viewer}");
    }
}

#[tokio::test]
async fn a_peer_that_nobody_trusts_is_the_viewer() {
    let demo = Demo::start("untrusted-peer");
    let rules = json!([{ "type": "ip.src", "action": "block", "ip": ["127.0.0.1"] }]);
    let token = demo.issue(json!({ "accessRules": rules })).await;
    for header in ["x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip", "cf-connecting-ip"] {
        assert_eq!(demo.outcome(&token, MANIFEST, &[(header, "203.0.113.1")]).await, "403 rule_blocked", "{header}");
    }
}
