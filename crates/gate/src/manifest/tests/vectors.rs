//! The manifests of the test suites of m3u8-parser and mpd-parser, which nobody here wrote. They lie beside the
//! checkout; where they do not, these tests say so and check nothing.

use std::io::Write as _;

use super::*;

/// Every host that one of those manifests has URLs of.
const HOSTS: [&str; 5] =
    ["example.com", "www.example.com", "media.example.com", "priv.example.com", "c.brightcove.com"];

#[test]
fn playlists_of_m3u8_parser() {
    check("m3u8-parser/test/fixtures/integration", "m3u8", 60, 24);
}

#[test]
fn manifests_of_mpd_parser() {
    check("mpd-parser/test/manifests", "mpd", 16, 16);
}

/// `changed` is how many of the files name another host, or a path from the root.
#[track_caller]
fn check(folder: &str, extension: &str, count: usize, changed: usize) {
    let Some(files) = load(folder, extension) else { return };
    assert_eq!(files.len(), count);
    let place = format!("manifest/video.{extension}");
    let all = HOSTS.map(|host| format!("{host}/"));
    let all = all.each_ref().map(String::as_str);
    for (name, text) in &files {
        let left = rewrite_at(&place, &["unknown.example/unknown/", "/unknown/"], text, None);
        assert!(lines(&left).eq(lines(text)), "{name}: {left}");
        let new = rewrite_at(&place, &all, text, None);
        assert_eq!(HOSTS.map(|host| mentions(&new, host)), [0; HOSTS.len()], "{name}");
        assert_eq!(rewrite_at(&place, &all, &new, None), new, "{name}, twice");
        for own in HOSTS {
            let new = rewrite_at(&place, &[&format!("{own}/")], text, Some(&parameter()));
            for host in HOSTS.into_iter().filter(|host| *host != own) {
                assert_eq!(mentions(&new, host), mentions(text, host), "{name}: {host} is not {own}");
            }
            let own = format!("//{own}/");
            let leaked = new.split(['"', '<', '\n']).find(|part| part.contains("//") && part.contains("h.p.s"));
            assert_eq!(leaked, None, "{name} with {own}");
        }
    }
    let differs = |(_, text): &&(String, String)| rewrite_at(&place, &all, text, None) != *text;
    assert_eq!(files.iter().filter(differs).count(), changed);
}

/// How often a URL of a file of the host stands in a manifest: in neither a comment nor the address of a clock.
fn mentions(text: &str, host: &str) -> usize {
    let url = format!("//{host}/");
    let files = |line: &&str| !line.starts_with("# ") && !line.contains("<UTCTiming");
    lines(text).filter(files).map(|line| line.matches(&url).count()).sum()
}

/// The lines that stay: a `Location` is taken out.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim().is_empty() && !line.contains("<Location>"))
}

fn load(folder: &str, extension: &str) -> Option<Vec<(String, String)>> {
    let path = format!("{}/../../../shared/vectors/{folder}", env!("CARGO_MANIFEST_DIR"));
    let Ok(entries) = std::fs::read_dir(&path) else {
        // Past the capture of `eprintln!`, which nobody reads of a test that passes.
        writeln!(std::io::stderr(), "\nSKIPPED: {folder} is not in ../shared/vectors; nothing was checked").unwrap();
        return None;
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|own| own == extension));
    Some(paths.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect())
}
