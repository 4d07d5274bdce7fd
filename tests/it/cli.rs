//! The command line, as a user and a script meet it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{Installed, vidpass};

#[test]
fn a_server_is_set_up_step_by_step() {
    let installed = Installed::new("cli");
    let at = installed.folder();
    let again = failed(vidpass().arg("init").arg(at));
    assert!(again.contains("vidpass.toml is there already; nothing was changed"), "{again}");

    let account = json(site(at).args(["account", "create", "--name", "A company", "--json"]));
    let token = json(site(at).args(["api-token", "create", "--name", "backend", "--json"]));
    assert_eq!(token["account"], account["id"]);
    assert!(token["token"].as_str().unwrap().starts_with("vpt_"));
    let key = json(site(at).args(["key", "create", "--json"]));
    let video = json(site(at).args(["video", "create", "--uid", "v1", "--name", "First", "--json"]));
    assert_eq!((&video["uid"], &video["require_signed_urls"]), (&"v1".into(), &true.into()));
    let edited = json(site(at).args([
        "video",
        "edit",
        "v1",
        "--downloads",
        "true",
        "--allowed-origin",
        "example.com",
        "--json",
    ]));
    assert_eq!((&edited["downloads"], &edited["allowed_origins"][0]), (&true.into(), &"example.com".into()));

    for (list, id) in [
        (["account", "list"], &account["id"]),
        (["api-token", "list"], &token["id"]),
        (["key", "list"], &key["id"]),
        (["video", "list"], &video["uid"]),
    ] {
        let text = ok(site(at).args(list));
        assert!(text.contains(id.as_str().unwrap()), "{list:?}: {text}");
    }
    let refused = failed(site(at).args(["account", "delete"]).arg(account["id"].as_str().unwrap()));
    assert!(refused.contains("still has"), "{refused}");
    ok(site(at).args(["key", "delete"]).arg(key["id"].as_str().unwrap()));
    ok(site(at).args(["video", "delete", "v1"]));
    ok(site(at).args(["account", "delete"]).arg(account["id"].as_str().unwrap()));
    let none = failed(site(at).args(["video", "list"]));
    assert!(none.contains("vidpass account create"), "{none}");
}

#[test]
fn a_token_is_signed_inspected_and_rehearsed_offline() {
    let installed = Installed::new("cli");
    let at = installed.folder();
    ok(site(at).args(["account", "create", "--name", "A"]));
    let made = json(site(at).args(["key", "create", "--json", "--out"]).arg(at.join("key.pem")));
    let (kid, pem) = (made["id"].as_str().unwrap(), at.join("key.pem"));
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&pem).unwrap()) & 0o777, 0o600);
    ok(site(at).args(["video", "create", "--uid", "v1"]));

    let without_kid = failed(vidpass().args(["token", "sign", "--video", "v1", "--key"]).arg(&pem));
    assert!(without_kid.contains("--kid"), "{without_kid}");
    let token = ok(vidpass()
        .args(["token", "sign", "--video", "v1", "--kid", kid, "--exp", "2h", "--downloadable"])
        .args(["--rule", "block country US,MX", "--rule", "allow ip 192.0.2.0/24", "--rule", "block any", "--key"])
        .arg(&pem));
    let token = token.trim();

    let inspected = ok(vidpass().args(["token", "inspect", token]));
    // A second may have passed since it was signed.
    let soon = inspected.contains("in 2h") || inspected.contains("in 1h 59m");
    assert!(inspected.starts_with("UNVERIFIED") && soon && inspected.contains("accessRules"), "{inspected}");
    let verified = ok(vidpass().args(["token", "inspect", token, "--key"]).arg(&pem));
    assert!(verified.starts_with("VERIFIED"), "{verified}");

    check(at, Some(&pem), token, "192.0.2.7 --country SE", "admitted");
    check(at, Some(&pem), token, "192.0.2.7 --country US", "rule_blocked 0");
    check(at, Some(&pem), token, "198.51.100.7 --country SE", "rule_blocked 2");
    check(at, Some(&pem), token, "192.0.2.7 --country none --at 3h", "token_expired");
    check(at, Some(&pem), token, "192.0.2.7 --country none --at -2h", "token_not_yet_valid");
    check(at, Some(&pem), token, "192.0.2.7 --country none --path ../x", "path_refused");
    check(at, Some(&pem), token, "192.0.2.7 --country none --path downloads/default.mp4", "admitted");
    check(at, Some(&pem), &token[..token.len() - 42], "192.0.2.7", "signature_invalid");
    check(at, Some(&pem), "nonsense.x.y", "192.0.2.7", "token_malformed");

    // With the server's own keys and videos: its settings decide.
    check(at, None, token, "192.0.2.7 --country SE", "admitted");
    check(at, None, token, "192.0.2.7 --country SE --path downloads/default.mp4", "download_not_enabled");
    ok(site(at).args(["video", "edit", "v1", "--allowed-origin", "example.com"]));
    check(at, None, token, "192.0.2.7 --country SE", "origin_not_allowed");
    check(at, None, token, "192.0.2.7 --country SE --origin https://example.com", "admitted");
    ok(site(at).args(["key", "delete", kid]));
    check(at, None, token, "192.0.2.7 --country SE", "key_unknown");
}

#[test]
fn a_file_of_requests_becomes_a_file_of_tokens() {
    let installed = Installed::new("cli-batch");
    let at = installed.folder();
    ok(site(at).args(["account", "create", "--name", "A"]));
    let made = json(site(at).args(["key", "create", "--json", "--out"]).arg(at.join("key.pem")));
    let (kid, pem) = (made["id"].as_str().unwrap(), at.join("key.pem"));
    ok(site(at).args(["video", "create", "--uid", "v7"]));
    let rules = r#"[{"type":"ip.src","action":"allow","ip":["192.0.2.0/24"]},{"type":"any","action":"block"}]"#;
    let request = |number: usize| format!("{{\"uid\":\"v{number}\",\"accessRules\":{rules}}}\n");
    let mut requests: Vec<String> = (1..=100).map(request).collect();
    requests[4] = "{\"uid\":\"v5\",\"exp\":1,\"acessRules\":[]}\n".to_owned();
    requests[5] = "\n".to_owned();
    std::fs::write(at.join("requests.jsonl"), requests.concat()).unwrap();

    let sign = ["token", "sign", "--kid", kid, "--key"];
    let output = vidpass().args(sign).arg(&pem).arg("--batch").arg(at.join("requests.jsonl")).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "one has no token: {}", text(&output));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "vidpass: lines without a token: 1; their `errors` say why\n"
    );
    let lines: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<u64> = lines.iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=100).filter(|number| *number != 6).collect::<Vec<_>>(), "a blank line is none");
    let reasons: Vec<&str> =
        lines[4]["errors"].as_array().unwrap().iter().map(|error| error["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["member_unknown", "exp_in_past"]);
    assert_eq!(lines[5]["uid"], "v7");
    let token = lines[5]["token"].as_str().unwrap();
    check(at, Some(&pem), token, "192.0.2.7 --country none", "admitted");
    check(at, Some(&pem), token, "198.51.100.7 --country none", "rule_blocked 1");

    let both = failed(vidpass().args(sign).arg(&pem).args(["--batch", "x", "--video", "v1"]));
    assert!(both.contains("cannot be used with"), "{both}");
    let none = failed(vidpass().args(sign).arg(&pem).args(["--batch", "nothing.jsonl"]));
    assert!(none.contains("nothing.jsonl cannot be read"), "{none}");
}

/// The private half is made elsewhere and stays there.
#[test]
fn a_key_of_ones_own_is_imported_and_its_tokens_are_good() {
    let installed = Installed::new("cli-import");
    let at = installed.folder();
    ok(site(at).args(["account", "create", "--name", "A"]));
    ok(site(at).args(["video", "create", "--uid", "v1"]));
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(at).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    };
    for (algorithm, make) in [
        ("ES256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"][..]),
        ("EdDSA", &["-algorithm", "ED25519"]),
        ("RS256", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    ] {
        openssl(&[&["genpkey", "-out", "private.pem"], make].concat());
        openssl(&["pkey", "-in", "private.pem", "-pubout", "-out", "public.pem"]);
        let import = ["key", "import", "--json", "--kid", algorithm, "public.pem"];
        let imported = json(site(at).args(import).current_dir(at));
        assert_eq!((&imported["id"], &imported["alg"]), (&algorithm.into(), &algorithm.into()));
        let sign = ["token", "sign", "--video", "v1", "--kid", algorithm, "--key", "private.pem"];
        let token = ok(vidpass().args(sign).current_dir(at));
        check(at, None, token.trim(), "192.0.2.7", "admitted");
        assert!(failed(site(at).args(import).current_dir(at)).contains(algorithm), "an id is taken once");
    }
    std::fs::write(
        at.join("known.jwk"),
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    )
    .unwrap();
    let refused = failed(site(at).args(["key", "import", "known.jwk"]).current_dir(at));
    assert!(refused.contains("it was published"), "{refused}");
}

#[test]
fn a_rule_that_is_none_is_explained() {
    let installed = Installed::new("cli");
    let at = installed.folder();
    ok(site(at).args(["account", "create", "--name", "A"]));
    let pem = at.join("key.pem");
    ok(site(at).args(["key", "create", "--out"]).arg(&pem));
    let sign = |rules: &[&str]| {
        failed(vidpass().args(["token", "sign", "--video", "v1", "--kid", "k", "--key"]).arg(&pem).args(rules))
    };
    let error = sign(&[
        "--access-rules",
        r#"[{"type":"ip.src","action":"allow","ip":["10.0.0.0/99"]},{"type":"any","action":"deny"}]"#,
    ]);
    assert!(
        error.contains("2 problem(s)")
            && error.contains("accessRules/0/ip/0")
            && error.contains("accessRules/1/action"),
        "{error}"
    );
    let error = sign(&["--rule", "forbid everybody"]);
    assert!(error.contains("`forbid everybody` is not a rule"), "{error}");
    let error = sign(&["--exp", "1h", "--nbf", "2h"]);
    assert!(error.contains("--exp") && error.contains("--nbf"), "{error}");
}

#[test]
fn all_problems_of_a_configuration_are_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vidpass.toml");
    std::fs::write(
        &file,
        "listen = \"nowhere\"\n[tokens]\nmax_access_rules = 0\n[viewer]\ntrusted_proxies = [\"10.0.0.0/99\"]\n",
    )
    .unwrap();
    let error = failed(vidpass().args(["serve", "--log-level", "loud", "--config"]).arg(&file));
    for problem in ["4 problem(s)", "listen = \"nowhere\"", "max_access_rules", "10.0.0.0/99", "log.level = \"loud\""] {
        assert!(error.contains(problem), "{problem}: {error}");
    }
    std::fs::write(&file, "lisen = \"127.0.0.1:1\"\n").unwrap();
    let error = failed(vidpass().args(["serve", "--config"]).arg(&file));
    assert!(error.contains("unknown field `lisen`") && error.contains("listen"), "{error}");
}

#[test]
fn the_environment_wins_over_the_file_and_the_command_line_over_both() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vidpass.toml");
    std::fs::write(&file, "listen = \"from-file\"\n").unwrap();
    let serve = || {
        let mut command = vidpass();
        command.args(["serve", "--config"]).arg(&file);
        command
    };
    assert!(failed(&mut serve()).contains("from-file"));
    assert!(failed(serve().env("VIDPASS_LISTEN", "from-environment")).contains("from-environment"));
    assert!(
        failed(serve().env("VIDPASS_LISTEN", "from-environment").args(["--listen", "from-flag"])).contains("from-flag")
    );
}

#[test]
fn a_master_key_that_others_may_read_is_refused() {
    let installed = Installed::new("cli");
    let at = installed.folder();
    let key = at.join("master.key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let error = failed(site(at).args(["account", "list"]));
    assert!(error.contains("may be read by others") && error.contains("chmod 600"), "{error}");
    std::fs::remove_file(&key).unwrap();
    let error = failed(site(at).args(["account", "list"]));
    assert!(error.contains("VIDPASS_MASTER_KEY"), "{error}");
    let wrong = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let error = failed(site(at).args(["account", "list"]).env("VIDPASS_MASTER_KEY", wrong));
    assert!(error.contains("master key") && !error.contains(wrong), "{error}");
}

#[test]
fn every_command_explains_itself() {
    let help = ok(vidpass().arg("--help"));
    for command in ["demo", "init", "serve", "account", "api-token", "api-key", "key", "video", "token", "completion"] {
        assert!(help.contains(command), "{command}: {help}");
        let own = ok(vidpass().args([command, "--help"]));
        assert!(own.contains("Usage:"), "{own}");
    }
    let wrong = failed(vidpass().arg("tokn"));
    assert!(wrong.contains("token"), "a similar command is named: {wrong}");
    assert!(ok(vidpass().args(["completion", "bash"])).contains("_vidpass"));
}

/// A command on the server that was set up in `folder`.
fn site(folder: &Path) -> Command {
    let mut command = vidpass();
    command.env("VIDPASS_CONFIG", folder.join("vidpass.toml"));
    command
}

/// Rehearses a token; `viewer` is an address and more options. What is expected is a code, and the rule's index.
#[track_caller]
fn check(folder: &Path, key: Option<&Path>, token: &str, viewer: &str, expected: &str) {
    let mut command = site(folder);
    command.args(["token", "check", token, "--json", "--ip"]).args(viewer.split(' '));
    if let Some(key) = key {
        command.arg("--key").arg(key);
    }
    let output = command.output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    let code = answer["code"].as_str().unwrap_or("admitted");
    let rule =
        answer["rule"].as_u64().filter(|_| code == "rule_blocked").map(|rule| format!(" {rule}")).unwrap_or_default();
    assert_eq!(format!("{code}{rule}"), expected, "{answer}");
    assert_eq!(output.status.code(), Some(i32::from(code != "admitted")));
}

#[track_caller]
fn ok(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn json(command: &mut Command) -> Value {
    serde_json::from_str(&ok(command)).unwrap()
}

#[track_caller]
fn failed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{command:?}: {}", text(&output));
    text(&output)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}
