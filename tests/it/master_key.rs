//! The master key comes from three places, and is replaced while a server runs and while it is killed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use vidpass_store::{DatabaseUrl, MasterKeys, NewAccount, Store};
use vidpass_token::{AccountId, Algorithm, KeyId, SigningKey, UnixTime};

use crate::postgres_server::postgres_server;
use crate::support::{Installed, client, now};

#[tokio::test]
async fn a_running_server_follows_a_rotation() {
    follows_a_rotation(&Installed::new("master-key")).await;
}

#[tokio::test]
async fn a_running_server_follows_a_rotation_on_postgresql() {
    let database = postgres_server().create_database();
    follows_a_rotation(&Installed::with("master-key-postgres", &["--database", &database])).await;
}

async fn follows_a_rotation(installed: &Installed) {
    installed.json(&["account", "create", "--name", "A", "--id", "a1"]);
    installed.json(&["video", "create", "--uid", "v1"]);
    let secret = installed.json(&["api-token", "create", "--name", "T"])["token"].as_str().unwrap().to_owned();
    let (_server, url) = installed.serve();
    let issue = async || {
        let token = client().post(format!("{url}/client/v4/accounts/a1/stream/v1/token")).bearer_auth(&secret);
        let answer: Value = token.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["success"], true, "{answer}");
    };
    let rotate_managed = async || {
        let rotate = client().post(format!("{url}/client/v4/accounts/a1/stream/keys/rotate")).bearer_auth(&secret);
        let answer: Value = rotate.json(&json!({ "alg": "ES256" })).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["success"], true, "{answer}");
    };
    issue().await;
    let old = status(installed)[0]["fingerprint"].clone();

    let rotated = installed.json(&["master-key", "rotate"]);
    assert_eq!((&rotated["values"], &rotated["nothing_left_under"]), (&json!(1), &json!([old])));
    assert_ne!(rotated["seals"], old);
    // The server has the old key in memory. It seals a new value, and goes on.
    rotate_managed().await;
    issue().await;
    let rows = status(installed);
    assert_eq!(rows[0], json!({ "fingerprint": rotated["seals"], "place": "first", "values": 2, "seals": true }));
    assert_eq!(rows[1], json!({ "fingerprint": old, "place": "former", "values": 0, "seals": false }));
    // Asked again, nothing more is done.
    let again = installed.json(&["master-key", "rotate"]);
    assert_eq!((&again["seals"], &again["values"]), (&rotated["seals"], &json!(0)));

    assert_eq!(installed.json(&["master-key", "prune"]), json!({ "dropped": [old] }));
    assert_eq!(installed.json(&["master-key", "prune"]), json!({ "dropped": [] }));
    rotate_managed().await;

    // For several machines: the new key is everywhere before it seals.
    let next = installed.json(&["master-key", "add"])["next"].clone();
    assert_eq!(installed.json(&["master-key", "add"])["next"], next, "there is one already");
    rotate_managed().await;
    assert_eq!(status(installed)[1], json!({ "fingerprint": next, "place": "next", "values": 0, "seals": false }));
    assert_eq!(installed.json(&["master-key", "rotate"])["seals"], next);
    issue().await;
    // The key list of another process needs the new file too.
    assert_eq!(installed.json(&["key", "list"]).as_array().unwrap().len(), 4);
}

/// Killed at any moment, every value is under a key that is in the file, and the next run ends it.
#[tokio::test]
async fn a_rotation_that_is_killed_loses_nothing() {
    const VALUES: usize = 150;
    let installed = Installed::new("master-key-kill");
    let database = DatabaseUrl::sqlite(installed.folder().join("vidpass.db"));
    let keys = seal_many(&installed, &database, VALUES).await;
    let (mut interrupted, mut under_way, mut ended) = (0, 0, 0);
    let mut sealing = BTreeSet::new();
    let mut delay = Duration::from_millis(1);
    for round in 0.. {
        if interrupted >= 20 && under_way > 0 {
            break;
        }
        assert!(round < 200, "{interrupted} were killed in time, {under_way} between the first step and the last");
        let mut rotation = installed.command(&["master-key", "rotate"]);
        let mut rotation = rotation.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // A little later each time, and again from the start once it came too late: however fast the machine is.
        tokio::time::sleep(delay).await;
        rotation.kill().unwrap();
        if rotation.wait().unwrap().success() {
            delay = Duration::from_millis(1);
        } else {
            interrupted += 1;
            delay = delay * 5 / 4 + Duration::from_millis(1);
        }
        check_opens(&installed, &database, &keys).await;
        under_way += usize::from(status(&installed)[0]["seals"] == false);
        // Every other time it is killed again before it may end.
        if round % 2 == 1 {
            let rotated = installed.json(&["master-key", "rotate"]);
            sealing.insert(rotated["seals"].as_str().unwrap().to_owned());
            ended += 1;
            let rows = status(&installed);
            assert_eq!((&rows[0]["values"], &rows[0]["seals"]), (&json!(VALUES), &json!(true)), "{rows}");
            installed.json(&["master-key", "prune"]);
            check_opens(&installed, &database, &keys).await;
        }
    }
    assert_eq!(sealing.len(), ended, "each rotation that ended brought a new key");
    let left: Vec<_> = std::fs::read_dir(installed.folder()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name == "master.key.new"), "{left:?}");
}

#[test]
fn the_key_comes_from_a_file_descriptor_or_the_environment() {
    let installed = Installed::new("master-key-sources");
    installed.json(&["account", "create", "--name", "A", "--id", "a1"]);
    installed.json(&["key", "rotate", "--alg", "ES256"]);
    let file = key_file(&installed);
    let old = std::fs::read_to_string(&file).unwrap();
    let away = installed.folder().join("away.key");
    std::fs::rename(&file, &away).unwrap();

    // Redirected from a file, and through a pipe; as an option and as a variable.
    let program = installed.command(&[]).get_program().to_str().unwrap().to_owned();
    for script in [
        format!("{program} account list --master-key-fd 3 3<{}", away.display()),
        format!("cat {} | {program} account list --master-key-fd 0", away.display()),
        format!("VIDPASS_MASTER_KEY_FD=3 {program} account list 3<{}", away.display()),
    ] {
        let listed = shell(&installed, &script).output().unwrap();
        assert!(String::from_utf8_lossy(&listed.stdout).contains("a1"), "{script}: {listed:?}");
    }
    // A number that no descriptor of the program itself has, whatever else whoever runs this left open.
    let closed = shell(&installed, &format!("{program} account list --master-key-fd 900")).output().unwrap();
    assert!(String::from_utf8_lossy(&closed.stderr).contains("file descriptor 900 cannot be read"), "{closed:?}");

    // Several keys in the environment: the first is what all is brought under.
    let new = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let with = |keys: &str, words: &[&str]| {
        let output = installed.command(words).env("VIDPASS_MASTER_KEY", keys).arg("--json").output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!error.contains(new) && !error.contains(old.trim()), "a master key is in an error");
        serde_json::from_slice::<Value>(&output.stdout).map_err(|_| error)
    };
    let both = format!("{new} {old}");
    assert_eq!(with(&both, &["master-key", "status"]).unwrap()[1]["seals"], true);
    assert_eq!(with(&both, &["master-key", "rotate"]).unwrap()["values"], 1);
    assert_eq!(with(new, &["master-key", "status"]).unwrap()[0]["values"], 1);
    let wrong = with(&old, &["account", "list"]).unwrap_err();
    assert!(wrong.contains("this is not the master key that"), "{wrong}");
    for words in [["master-key", "add"], ["master-key", "prune"]] {
        assert!(with(new, &words).unwrap_err().contains("change it there"));
    }
    assert!(with("", &["account", "list"]).unwrap_err().contains("there is no master key"));
}

#[test]
fn a_key_that_still_seals_is_not_dropped() {
    let installed = Installed::new("master-key-prune");
    installed.json(&["account", "create", "--name", "A", "--id", "a1"]);
    installed.json(&["key", "rotate", "--alg", "ES256"]);
    let file = key_file(&installed);
    let old = std::fs::read_to_string(&file).unwrap();
    // What a rotation leaves that was killed after its first step.
    std::fs::write(&file, format!("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n{old}")).unwrap();
    let refused = installed.command(&["master-key", "prune"]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("a rotation is under way"), "{refused:?}");
    assert_eq!(installed.json(&["master-key", "rotate"])["values"], 1);
    installed.json(&["master-key", "prune"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
}

fn status(installed: &Installed) -> Value {
    installed.json(&["master-key", "status"])
}

fn key_file(installed: &Installed) -> PathBuf {
    installed.folder().join("master.key")
}

fn shell(installed: &Installed, script: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).env("VIDPASS_CONFIG", installed.folder().join("vidpass.toml"));
    shell
}

/// Seals a key for each of many accounts.
async fn seal_many(installed: &Installed, database: &DatabaseUrl, count: usize) -> Vec<(AccountId, KeyId)> {
    let store = Store::open(database, &file_keys(installed)).await.unwrap();
    let mut made = Vec::new();
    for number in 0..count {
        let key = SigningKey::generate(Algorithm::Es256, format!("key-{number}").parse().unwrap()).unwrap();
        let new = NewAccount { id: Some(format!("account-{number}").parse().unwrap()), name: String::new() };
        let account = store.create_account(&new, UnixTime(now())).await.unwrap().id;
        store.add_managed_key(&account, &key, UnixTime(now())).await.unwrap();
        made.push((account, key.id().clone()));
    }
    store.close().await;
    made
}

async fn check_opens(installed: &Installed, database: &DatabaseUrl, keys: &[(AccountId, KeyId)]) {
    let store = Store::open(database, &file_keys(installed)).await.unwrap();
    for (account, key) in keys {
        assert!(store.open_managed_key(account, key).await.unwrap().is_some());
    }
    store.close().await;
}

fn file_keys(installed: &Installed) -> MasterKeys {
    MasterKeys::parse(&std::fs::read_to_string(key_file(installed)).unwrap()).unwrap()
}
