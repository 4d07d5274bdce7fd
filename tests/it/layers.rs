//! The check of the layers passes on this tree, and fails when a layer is broken.

use std::path::Path;
use std::process::Command;

use crate::support::{copy_all, repository};

#[test]
fn the_layers_hold_and_a_broken_one_is_noticed() {
    let copy = tempfile::tempdir().unwrap();
    for part in [
        "Cargo.toml",
        "Cargo.lock",
        "crates",
        "bench/Cargo.toml",
        "bench/src",
        "tests/Cargo.toml",
        "tests/it/main.rs",
        "scripts",
    ] {
        copy_all(&repository().join(part), &copy.path().join(part));
    }
    let (ok, output) = check_layers(copy.path());
    assert!(ok, "{output}");

    for (file, line, complaint) in [
        (
            "crates/token/src/time.rs",
            "fn now() { std::time::SystemTime::now(); }",
            "broken: crates/token/src/time.rs:1:",
        ),
        ("crates/token/src/id.rs", "use std::{fs, io};", "broken: crates/token/src/id.rs:1:"),
        ("crates/api/src/state.rs", "const SQL: &str = \"SELECT 1\";", "broken: crates/api/src/state.rs:1:"),
        ("crates/gate/src/seen.rs", "use vidpass_token::SigningKey;", "broken: crates/gate/src/seen.rs:1:"),
        ("crates/gate/Cargo.toml", "", "broken: vidpass-gate reaches vidpass-store"),
    ] {
        let file = copy.path().join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        let dependency = "[dependencies]\nvidpass-store.workspace = true\n";
        let broken =
            if line.is_empty() { text.replace("[dependencies]\n", dependency) } else { format!("{line}\n{text}") };
        std::fs::write(&file, broken).unwrap();
        let (ok, output) = check_layers(copy.path());
        assert!(!ok && output.contains(complaint), "{complaint}: {output}");
        std::fs::write(&file, text).unwrap();
    }
}

fn check_layers(tree: &Path) -> (bool, String) {
    // The lock file of the copy must follow the dependency that was added.
    let lock = Command::new("cargo").args(["update", "--workspace", "--offline"]).current_dir(tree).output();
    let lock = lock.unwrap();
    assert!(lock.status.success(), "{}", String::from_utf8_lossy(&lock.stderr));
    let output = Command::new("bash").arg("scripts/check-layers.sh").arg(tree).current_dir(tree).output().unwrap();
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}
