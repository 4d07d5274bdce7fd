//! `vidpass doctor` finds what is wrong and says what to do.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::postgres_server::postgres_server;
use crate::support::{Authority, Installed, run};

/// As many as any machine has file descriptors for.
const FEW_CONNECTIONS: &str = "[limits]\nmax_connections = 100";

#[test]
fn a_new_server_is_well() {
    for (name, database) in
        [("sqlite", "sqlite:vidpass.db".to_owned()), ("postgres", postgres_server().create_database())]
    {
        let installed = Installed::with(&format!("doctor-{name}"), &["--database", &database]);
        installed.set(FEW_CONNECTIONS);
        installed.json(&["account", "create", "--name", "A"]);
        installed.json(&["key", "create"]);
        let (findings, code) = findings(&installed);
        assert_eq!(code, 0, "{findings:?}");
        assert!(findings.iter().all(|finding| finding["level"] == "ok"), "{findings:?}");
        let subjects: Vec<_> = findings.iter().map(|finding| finding["subject"].as_str().unwrap()).collect();
        let expected = [
            "configuration",
            "proxies",
            "lease",
            "country database",
            "folder",
            "signing",
            "file descriptors",
            "database",
            "master key",
            "keys",
            "clock",
        ];
        assert_eq!(subjects, expected);
    }
}

#[test]
fn an_issuer_alone_needs_no_folder_with_videos() {
    let installed = Installed::new("doctor-issuer");
    installed.set(FEW_CONNECTIONS);
    std::fs::remove_dir(installed.media()).unwrap();
    assert_eq!(findings(&installed).1, 1);
    let file = installed.folder().join("vidpass.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("roles = [\"issuer\"]\n{settings}")).unwrap();
    assert_eq!(findings(&installed).1, 0);
}

#[test]
fn what_is_wrong_is_named_with_what_to_do() {
    let nothing = |_: &Path| {};
    check("nothing", "", nothing, 0, None);
    check("setting", "[tokens]\nlease = \"1s\"", nothing, 1, Some(("configuration", "mend each setting")));
    let everybody = "[viewer]\ntrusted_proxies = [\"10.0.0.0/8\", \"0.0.0.0/0\"]";
    check("everybody", everybody, nothing, 1, Some(("proxies", "name the addresses of your own proxies")));
    check("lease", "[tokens]\nlease = \"unlimited\"", nothing, 0, Some(("lease", "set how long")));
    let file = "[viewer]\ncountry_database = \"nothing.mmdb\"";
    check("countries", file, nothing, 1, Some(("country database", "put a whole MaxMind-format file there")));
    let descriptors = "[limits]\nmax_connections = 100000000000";
    check("descriptors", descriptors, nothing, 0, Some(("file descriptors", "raise the limit")));
    check("media", "", |folder| std::fs::remove_dir(folder.join("media")).unwrap(), 1, Some(("folder", "make it")));
    let open_to_all = |folder: &Path| {
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(folder.join("master.key"), mode).unwrap();
    };
    check("mode", "", open_to_all, 1, Some(("master key", "chmod 600")));
    let exchanged = |folder: &Path| std::fs::write(folder.join("master.key"), "A".repeat(43)).unwrap();
    check("exchanged", "", exchanged, 1, Some(("database", "bring back the master key that it was made with")));
    let lost = |folder: &Path| std::fs::remove_file(folder.join("vidpass.db")).unwrap();
    check("lost", "", lost, 1, Some(("database", "vidpass restore")));
    let damaged =
        |folder: &Path| std::fs::write(folder.join("vidpass.db"), "not a database at all".repeat(99)).unwrap();
    check("damaged", "", damaged, 1, Some(("database", "restore the last backup")));
}

#[test]
fn a_certificate_and_its_key_are_looked_at() {
    let (installed, authority) = (Installed::new("doctor-tls"), Authority::new("doctor-tls"));
    authority.vouch_for("one");
    authority.vouch_for("two");
    installed.top("public_url = \"https://video.example.com\"");
    let text = installed.text();
    let check = |certificate: &str, key: &str, level: &str, told: &str| {
        installed.write(&text);
        installed.set(&format!("{}{FEW_CONNECTIONS}", authority.tls("0.0.0.0:443", certificate, key)));
        let findings = findings(&installed).0;
        let found = |subject: &str| findings.iter().find(|finding| finding["subject"] == subject).unwrap();
        assert_eq!(found("proxies")["level"], "ok", "none stands in front: {findings:?}");
        let certificate = found("certificate");
        assert!(certificate["level"] == level && certificate.to_string().contains(told), "{certificate}");
    };
    check("one.pem", "one.key", "ok", "it goes together with its key");
    check("one.pem", "two.key", "broken", "cannot be used with tls.key_file");
    check("none.pem", "one.key", "broken", "none.pem cannot be used");
    check("one.key", "one.key", "broken", "it has no certificate in PEM");
    check("one.pem", "none.key", "broken", "none.key cannot be read");
    check("one.pem", "ca.pem", "broken", "may be read by others");
    let own = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(authority.file("ca.pem"), own.clone()).unwrap();
    check("one.pem", "ca.pem", "broken", "is no private key in PEM");
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    std::fs::write(authority.file("secret.key"), encrypted).unwrap();
    std::fs::set_permissions(authority.file("secret.key"), own).unwrap();
    check("one.pem", "secret.key", "broken", "openssl pkey -in");
    let chain = ["one.pem", "ca.pem"].map(|file| std::fs::read(authority.file(file)).unwrap()).concat();
    std::fs::write(authority.file("chain.pem"), chain).unwrap();
    check("chain.pem", "one.key", "broken", "and not for video.example.com");
    authority.vouch_for_days("short", 1);
    check("short.pem", "short.key", "warning", "its last moment is 20");
    let (one, key, over) = (authority.file("one.pem"), authority.file("one.key"), authority.file("over.pem"));
    let again = ["x509", "-in", &one, "-signkey", &key, "-days", "0", "-out", &over];
    run("doctor-tls-over", Command::new("openssl").args(again));
    // Its last moment is this one.
    std::thread::sleep(Duration::from_millis(1100));
    check("over.pem", "one.key", "broken", "its last moment is 20");
}

/// Harms a new server, and looks for the one finding that is not good: its subject, and a part of what it says.
#[track_caller]
fn check(name: &str, settings: &str, harm: impl Fn(&Path), expected_code: i32, expected: Option<(&str, &str)>) {
    let installed = Installed::new(&format!("doctor-{name}"));
    installed.set(
        if settings.contains("[limits]") { settings.to_owned() } else { format!("{settings}\n{FEW_CONNECTIONS}") }
            .as_str(),
    );
    harm(installed.folder());
    let (findings, code) = findings(&installed);
    let bad: Vec<_> = findings.iter().filter(|finding| finding["level"] != "ok").collect();
    assert_eq!((code, bad.len()), (expected_code, usize::from(expected.is_some())), "{name}: {findings:?}");
    let Some((subject, part)) = expected else { return };
    let told = bad[0].to_string();
    assert!(bad[0]["subject"] == subject && told.contains(part), "{name}: {told}");
    assert!(!bad[0]["advice"].as_str().unwrap().is_empty(), "{name}: {told}");
}

fn findings(installed: &Installed) -> (Vec<Value>, i32) {
    let output = installed.command(&["doctor", "--json"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let findings =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    (findings, output.status.code().unwrap())
}
