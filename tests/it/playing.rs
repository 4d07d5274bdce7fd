//! Browsers play what the gate serves. Screenshots are written to `build/screenshots`.

use std::process::Command;

use serde_json::Value;

use crate::support::{Demo, Installed, copy_all, repository, run};

#[test]
fn hls_js_and_shaka_player_play_and_show_denials() {
    let demo = Demo::start("players-server");
    run("players", demo.client(&mut node("play")));
}

#[test]
fn the_gates_own_pages_play_and_show_denials() {
    let demo = Demo::start("own-pages-server");
    run("own-pages", demo.client(&mut node("own")));
}

/// The video's origin is a folder that was on a CDN once, as its manifests say.
#[test]
fn players_carry_the_token_however_a_manifest_names_its_children() {
    let installed = with_sample("forms", "shelf");
    let shelf = installed.folder().join("shelf");
    installed.set(&format!(
        "[origins.shelf]\ntype = \"folder\"\nfolder = {shelf:?}\nknown_as = [\"https://cdn.example.com/{{uid}}/\"]"
    ));
    installed.json(&["account", "edit", "a1", "--origin", "shelf"]);
    let api_token = installed.json(&["api-token", "create", "--name", "forms"]);
    let (_server, url) = installed.serve();
    let mut forms = node("forms");
    forms.env("VIDPASS_URL", url).env("VIDPASS_ACCOUNT_ID", "a1").env("VIDPASS_VIDEO_ID", "v1");
    forms.env("VIDPASS_API_TOKEN", api_token["token"].as_str().unwrap());
    forms.env("VIDPASS_FOLDER", shelf.join("a1/v1")).env("VIDPASS_KNOWN_AS", "https://cdn.example.com/v1/");
    run("forms", &mut forms);
}

/// The link that the demo prints is opened as it is.
#[test]
fn the_link_that_the_demo_prints_plays() {
    let demo = Demo::start("demo-link-server");
    let printed = demo.process.printed();
    let link =
        printed.lines().map(str::trim).find(|line| line.starts_with("http") && line.ends_with("/watch")).unwrap();
    run("demo-link", demo.client(node("watch").env("VIDPASS_LINK", link)));
}

#[test]
fn a_link_with_its_token_in_the_query_plays() {
    let installed = with_sample("query-link", "media");
    let key = installed.folder().join("key.pem");
    let made = installed.json(&["key", "create", "--out", key.to_str().unwrap()]);
    installed.set("[viewer]\ntoken_in = \"query:token\"");
    let (_server, url) = installed.serve();
    let kid = made["id"].as_str().unwrap();
    let sign = ["token", "sign", "--video", "v1", "--kid", kid, "--key", key.to_str().unwrap()];
    let token = String::from_utf8(installed.command(&sign).output().unwrap().stdout).unwrap();
    let link = format!("{url}/v1/watch?token={}", token.trim());
    run("query-link", node("watch").env("VIDPASS_LINK", link).env("VIDPASS_URL", url));
}

/// The player that the program carries is the published one, and the version that the tests play with.
#[test]
fn hls_js_is_as_published() {
    let (ours, package) = (repository().join("crates/gate/assets/player"), "tests/clients/node/node_modules/hls.js");
    for (own, published) in [("hls.min.mjs", "dist/hls.min.mjs"), ("hls.LICENSE", "LICENSE")] {
        let published = repository().join(package).join(published);
        assert!(std::fs::read(ours.join(own)).unwrap() == std::fs::read(published).unwrap(), "{own}");
    }
    let read = |file: &str| std::fs::read_to_string(repository().join(file)).unwrap();
    let installed: Value = serde_json::from_str(&read(&format!("{package}/package.json"))).unwrap();
    let version = format!("hls.js {},", installed["version"].as_str().unwrap());
    assert!(read("crates/gate/assets/player/README.md").contains(&version), "{version}");
}

/// A server with account `a1` and video `v1`, the sample video, whose files are in `folder`.
fn with_sample(name: &str, folder: &str) -> Installed {
    let installed = Installed::new(name);
    installed.json(&["account", "create", "--name", "A", "--id", "a1"]);
    installed.json(&["video", "create", "--uid", "v1"]);
    copy_all(&repository().join("assets/sample-video"), &installed.folder().join(folder).join("a1/v1"));
    installed
}

/// One of the programs in `tests/clients/node/players`.
fn node(program: &str) -> Command {
    let mut node = Command::new("node");
    node.arg(format!("players/{program}.mjs")).current_dir(repository().join("tests/clients/node"));
    node
}
