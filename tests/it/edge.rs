//! Gates without a database, which an issuer tells of changes.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Issuer, LoneGate, Process, Tls, ask, client, free_port, until_status};

/// Long enough that a busy machine, which writes to its disk late, does not use it up.
const LEASE: Duration = Duration::from_secs(10);

/// An issuer behind TLS, and a gate that asks it.
struct Edge {
    issuer: Issuer,
    port: u16,
    tls: Tls,
    gate: LoneGate,
    credential: String,
}

impl Edge {
    fn new(name: &str) -> Self {
        let (issuer, port) = (Issuer::installed(name, &[]), free_port());
        let made = issuer.installed.json(&["gate-credential", "create", "--name", "edge"]);
        let credential = made["credential"].as_str().unwrap().to_owned();
        let tls = Tls::before(name, port);
        let gate = gate(name, &tls, &credential, "ca_file = \"ca.pem\"\nsnapshot_file = \"gate.snapshot\"");
        Self { issuer, port, tls, gate, credential }
    }

    fn serve_issuer(&self) -> (Process, String) {
        self.issuer.installed.serve_on(self.port)
    }
}

fn gate(name: &str, tls: &Tls, credential: &str, settings: &str) -> LoneGate {
    let feed = format!("[feed]\nurl = \"{}\"\ncredential_file = \"credential\"\n{settings}", tls.url);
    let gate = LoneGate::new(name, &format!("{feed}\n[tokens]\nlease = \"{}s\"", LEASE.as_secs()));
    std::fs::write(gate.file("credential"), credential).unwrap();
    std::fs::set_permissions(gate.file("credential"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::copy(tls.authority(), gate.file("ca.pem")).unwrap();
    gate.put("a1/v1/a.ts", "film");
    gate
}

#[tokio::test]
async fn a_gate_without_a_database_hears_of_each_change_at_once() {
    let edge = Edge::new("edge");
    let (_issuer, api) = edge.serve_issuer();
    let (process, url) = edge.gate.serve();
    until_status(&format!("{url}/readyz"), 200).await;
    let key = edge.issuer.call(&api, "POST", "keys", &json!({})).await;
    let bob = json!({ "viewer": "bob", "id": key["id"], "pem": key["pem"] });
    let alice = format!("{url}/{}", edge.issuer.issue(&api, &json!({ "viewer": "alice" })).await);
    let bob = format!("{url}/{}", edge.issuer.issue(&api, &bob).await);
    until_status(&alice, 200).await;
    assert_eq!(client().get(&bob).send().await.unwrap().text().await.unwrap(), "film");

    edge.issuer.call(&api, "POST", "revocations", &json!({ "viewer": "alice", "reason": "lost phone" })).await;
    let revoked = until_status(&alice, 401).await;
    edge.issuer.call(&api, "DELETE", &format!("keys/{}", key["id"].as_str().unwrap()), &json!(null)).await;
    let deleted = until_status(&bob, 401).await;
    println!("a revocation arrives after {revoked:?}, the end of a key after {deleted:?}");
    assert!(revoked.max(deleted) < Duration::from_millis(700), "{revoked:?} {deleted:?}");
    for secret in [&edge.credential[21..], &edge.issuer.api_token[21..]] {
        assert!(!process.log().contains(secret));
    }
    assert!(!process.log().contains("ERROR"), "{}", process.log());
}

#[tokio::test]
async fn each_credential_opens_its_own_door_and_an_unknown_authority_none() {
    let edge = Edge::new("edge-doors");
    let (_issuer, api) = edge.serve_issuer();
    let feed = async |credential: &str| {
        let request = client().get(format!("{api}/client/v4/gates/snapshot")).bearer_auth(credential);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!((feed(&edge.credential).await, feed(&edge.issuer.api_token).await), (200, 401));
    let request = client().get(format!("{api}/client/v4/accounts/a1/stream")).bearer_auth(&edge.credential);
    assert_eq!(request.send().await.unwrap().status(), 401);

    let doctor = |gate: &LoneGate| {
        let output = gate.command("doctor").output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, found) = doctor(&edge.gate);
    assert!(code == Some(0) && found.contains("it answers, and tells of "), "{found}");

    let token = edge.issuer.issue(&api, &json!({})).await;
    for (name, credential, settings, told) in [
        ("edge-token", &edge.issuer.api_token, "ca_file = \"ca.pem\"", "the issuer refused: 401 credentials_wrong"),
        ("edge-authority", &edge.credential, "", "the issuer does not answer"),
    ] {
        let gate = gate(name, &edge.tls, credential, settings);
        let (mut process, url) = gate.serve();
        process.wait_for(|process| process.log().contains(told).then_some(()));
        let (status, denial) = ask(&format!("{url}/{token}")).await;
        assert_eq!((status, &denial["code"]), (503, &"gate_not_loaded".into()), "{name}");
        assert!(!process.log().contains(&credential[21..]), "{name}");
        let (code, found) = doctor(&gate);
        assert!(code == Some(1) && found.contains(told), "{found}");
    }
}

#[tokio::test]
async fn a_gate_goes_on_without_its_issuer_for_as_long_as_its_lease_also_where_it_starts_again() {
    let edge = Edge::new("edge-lease");
    let (mut issuer, api) = edge.serve_issuer();
    let (mut process, url) = edge.gate.serve();
    until_status(&format!("{url}/readyz"), 200).await;
    let token = edge.issuer.issue(&api, &json!({})).await;
    until_status(&format!("{url}/{token}"), 200).await;

    kill(&mut issuer);
    let lasted = until_status(&format!("{url}/{token}"), 503).await;
    assert!((LEASE - Duration::from_millis(1500)..LEASE + Duration::from_secs(1)).contains(&lasted), "{lasted:?}");
    assert_eq!(ask(&format!("{url}/{token}")).await.1["code"], "gate_cut_off");
    assert_eq!(ask(&format!("{url}/readyz")).await.0, 503);
    let (mut issuer, _) = edge.serve_issuer();
    let back = until_status(&format!("{url}/{token}"), 200).await;
    assert!(back < Duration::from_secs(3), "{back:?}");

    // The next two seconds bring the next word to the disk.
    tokio::time::sleep(Duration::from_millis(4500)).await;
    kill(&mut issuer);
    let killed = Instant::now();
    kill(&mut process);
    let (mut process, url) = edge.gate.serve();
    assert_eq!(ask(&format!("{url}/readyz")).await.0, 200);
    assert_eq!(client().get(format!("{url}/{token}")).send().await.unwrap().status(), 200);
    until_status(&format!("{url}/{token}"), 503).await;
    let lasted = killed.elapsed();
    println!("{lasted:?} after its issuer's end, a gate that started again is cut off");
    assert!(lasted < LEASE + Duration::from_millis(500), "{lasted:?}");
    assert_eq!(ask(&format!("{url}/{token}")).await.1["code"], "gate_cut_off");

    kill(&mut process);
    let file = edge.gate.file("gate.snapshot");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let (process, url) = edge.gate.serve();
    assert_eq!(ask(&format!("{url}/{token}")).await.1["code"], "gate_not_loaded");
    assert!(process.log().contains("altered or cut, or sealed with another credential"), "{}", process.log());
    let (_issuer, _) = edge.serve_issuer();
    until_status(&format!("{url}/{token}"), 200).await;
}

fn kill(process: &mut Process) {
    process.signal("KILL");
    process.ended();
}
