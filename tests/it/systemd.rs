//! The unit for systemd, as systemd itself judges it. No systemd runs where the tests do, so the unit is not started.

use std::process::Command;

use crate::support::{repository, vidpass};

/// The highest exposure that the unit may have, in tenths: systemd's scale is from 0 to 10, and an ordinary unit is at 9.6.
const HIGHEST_EXPOSURE: &str = "20";

#[test]
fn the_unit_is_valid_and_leaves_the_server_little_of_the_system() {
    let unit = std::fs::read_to_string(repository().join("deploy/systemd/vidpass.service")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vidpass.service");
    // The program is looked for where the unit says.
    let program = vidpass().get_program().to_str().unwrap().to_owned();
    std::fs::write(&file, unit.replace("/usr/local/bin/vidpass", &program)).unwrap();
    let analyze = |words: &[&str]| {
        let output = Command::new("systemd-analyze").args(words).arg(&file).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(told).unwrap())
    };
    assert_eq!(analyze(&["verify"]), (true, String::new()));
    let (within, told) = analyze(&["security", "--offline=true", &format!("--threshold={HIGHEST_EXPOSURE}")]);
    assert!(within, "{told}");
    assert!(unit.contains("LimitCORE=0"), "a core holds private keys");
}
