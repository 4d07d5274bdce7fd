//! Programs that nobody here wrote, or that use nothing of ours, against the running server. They lie in
//! `tests/clients`; `tests/setup` installs what they need.

use std::process::Command;

use vidpass_store::{ApiSecret, MasterKey, NewAccount, NewVideo, Store};
use vidpass_token::{Algorithm, SigningKey, UnixTime};

use crate::support::{Demo, Installed, repository, run};

#[test]
fn the_go_program_of_the_sdks_documentation() {
    let demo = Demo::start("go-documented-server");
    let program = go_program("documented");
    let output = demo.client(&mut Command::new(program)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = [output.stdout, output.stderr].concat();
    // Its output is the token, so it goes to no log.
    assert!(String::from_utf8_lossy(&text).contains("eyJ"), "no token was printed");
}

#[test]
fn go_sdk() {
    client("go-sdk", &mut Command::new(go_program("sdk")));
}

#[test]
fn typescript_sdk() {
    client("node-sdk", &mut in_clients("node", &["node", "sdk.mjs"]));
}

#[test]
fn python_sdk() {
    client("python-sdk", &mut in_clients("python", &[".venv/bin/python", "sdk.py"]));
}

#[test]
fn jose_of_node() {
    client("node-jose", &mut in_clients("node", &["node", "jose.mjs"]));
}

#[test]
fn pyjwt() {
    client("python-jose", &mut in_clients("python", &[".venv/bin/python", "jose_checks.py"]));
}

#[test]
fn openssl() {
    client("openssl", &mut in_clients("openssl", &["bash", "verify.sh"]));
}

#[test]
fn ffmpeg() {
    client("ffmpeg", &mut in_clients("ffmpeg", &["bash", "read.sh"]));
}

/// The Python SDK's tests, from its source distribution, bring their own credentials and ids.
#[test]
fn the_python_sdks_own_tests() {
    const ID: &str = "023e105f4ecef8ad9ca31a8372d0c353";
    let installed = Installed::new("python-own");
    let folder = installed.folder();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let key = std::fs::read_to_string(folder.join("master.key")).unwrap();
        let database = format!("sqlite:{}/vidpass.db", folder.display()).parse().unwrap();
        let store = Store::open(&database, &MasterKey::from_base64(key.trim()).unwrap()).await.unwrap();
        let (account, now) = (ID.parse().unwrap(), UnixTime(1_800_000_000));
        store.create_account(&NewAccount { id: Some(account), name: "SDK".to_owned() }, now).await.unwrap();
        let (account, secret) = (ID.parse().unwrap(), "144c9defac04969c7bfad8efaa8ea194".parse::<ApiSecret>().unwrap());
        store.create_api_key(&account, "user@example.com", Some(secret), now).await.unwrap();
        let signing = SigningKey::generate(Algorithm::Rs256, ID.parse().unwrap()).unwrap();
        store.add_signing_key(&account, signing.public(), signing.id().clone(), now).await.unwrap();
        let video = NewVideo::private(Some("ea95132c15732412d22c1476fa83f27a".parse().unwrap()));
        store.register_video(&account, video, now).await.unwrap();
    });
    let (_server, url) = installed.serve();
    let mut tests = in_clients("python", &["bash", "run_sdk_tests.sh"]);
    let output = run("python-own-tests", tests.env("VIDPASS_URL", url));
    assert!(String::from_utf8_lossy(&output.stdout).contains(" passed"));
}

/// Runs a client against a demo of its own.
#[track_caller]
fn client(name: &str, command: &mut Command) {
    let demo = Demo::start(&format!("{name}-server"));
    run(name, demo.client(command));
}

fn in_clients(folder: &str, words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(repository().join("tests/clients").join(folder));
    command
}

/// Builds one of the Go programs.
fn go_program(name: &str) -> std::path::PathBuf {
    let program = repository().join("build/go").join(name);
    let mut build = in_clients("go", &["go", "build", "-o"]);
    run(&format!("go-build-{name}"), build.arg(&program).arg(format!("./{name}")));
    program
}
