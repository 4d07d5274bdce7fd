//! Browsers play what the gate serves. Screenshots are written to `build/screenshots`.

use std::process::Command;

use crate::support::{Demo, repository, run};

#[test]
fn hls_js_and_shaka_player_play_and_show_denials() {
    let demo = Demo::start("players-server");
    let mut players = Command::new("node");
    players.arg("players/play.mjs").current_dir(repository().join("tests/clients/node"));
    run("players", demo.client(&mut players));
}

/// The link that the demo prints is opened as it is.
#[test]
fn the_link_that_the_demo_prints_plays() {
    let demo = Demo::start("demo-link-server");
    let printed = demo.process.printed();
    let link =
        printed.lines().map(str::trim).find(|line| line.starts_with("http") && line.ends_with("/watch")).unwrap();
    let mut watch = Command::new("node");
    watch.args(["players/watch.mjs"]).env("VIDPASS_LINK", link).current_dir(repository().join("tests/clients/node"));
    run("demo-link", demo.client(&mut watch));
}
