//! SIGHUP has the configuration read again, and no request is dropped.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::Site;

/// Of Linux's `open(2)`.
const O_NONBLOCK: i32 = 0o4000;

const TAKEN_ON: &str = "the configuration was read again";
const REFUSED: &str = "the configuration cannot be used";

/// A viewer who is not where the test is, if the test's word is taken.
const ELSEWHERE: (&str, &str) = ("x-forwarded-for", "192.0.2.7");
const TRUSTING: &str = "[viewer]\ntrusted_proxies = [\"127.0.0.0/8\"]";

/// A site whose configuration can be written anew.
struct Reloaded {
    site: Site,
    template: String,
}

impl Reloaded {
    fn start(name: &str, settings: &str) -> Self {
        let mut site = Site::start(name, "");
        let template = site.installed.text();
        if !settings.is_empty() {
            site.installed.set(settings);
            (site.server, site.url) = site.installed.serve();
        }
        Self { site, template }
    }

    /// Writes these settings and has them read; gives the lines of the log that follow, up to one with `word`.
    fn reload(&mut self, settings: &str, word: &str) -> Vec<Value> {
        self.site.installed.write(&self.template);
        self.site.installed.set(settings);
        let text = self.site.installed.text();
        self.read_again(Some(&text), word)
    }

    /// The same with the whole text of the file, or without a file.
    fn read_again(&mut self, text: Option<&str>, word: &str) -> Vec<Value> {
        let before = self.site.server.log().lines().count();
        match text {
            Some(text) => self.site.installed.write(text),
            None => std::fs::remove_file(self.site.installed.folder().join("vidpass.toml")).unwrap(),
        }
        self.site.server.signal("HUP");
        self.site.server.wait_for(|server| {
            let log = server.log();
            let lines = || log.lines().skip(before);
            // Whoever is told to log less does not say so.
            lines()
                .any(|line| line.contains(word))
                .then(|| lines().map(|line| serde_json::from_str(line).unwrap()).collect())
        })
    }

    /// Where proxies ask.
    fn asked_at(&self) -> String {
        let log = self.site.server.log();
        let line = log.lines().find(|line| line.contains("proxies may ask")).unwrap();
        format!("http://{}/", serde_json::from_str::<Value>(line).unwrap()["listen"].as_str().unwrap())
    }

    /// A token for viewers elsewhere.
    async fn token(&self) -> String {
        let allowed = json!({ "type": "ip.src", "action": "allow", "ip": ["192.0.2.0/24"] });
        self.site.issue(json!({ "accessRules": [allowed, { "type": "any", "action": "block" }] })).await
    }
}

#[tokio::test]
async fn what_changed_holds_from_the_next_request_on() {
    let mut running = Reloaded::start("reload", "");
    let token = running.token().await;
    assert_eq!(running.site.view(&token, ELSEWHERE).await, 403);
    running.reload(TRUSTING, TAKEN_ON);
    assert_eq!(running.site.view(&token, ELSEWHERE).await, 200, "who asks");
    running.reload("", TAKEN_ON);
    assert_eq!(running.site.view(&token, ELSEWHERE).await, 403, "a setting that is gone has its default again");

    running.reload(&format!("{TRUSTING}\n[tokens]\nmax_access_rules = 1"), TAKEN_ON);
    assert_eq!(running.site.view(&token, ELSEWHERE).await, 401, "what the gate accepts");
    let any = json!({ "type": "any", "action": "allow" });
    let (status, answer) = running.site.api("stream/v1/token", &json!({ "accessRules": [any, any] })).await;
    assert_eq!((status, &answer["errors"][0]["reason"]), (400, &json!("rules_too_many")), "what the issuer issues");

    running.reload("[viewer]\ntoken_in = \"cookie:vp\"", TAKEN_ON);
    let token = running.site.issue(json!({})).await;
    assert_eq!(running.site.view("v1", ("cookie", &format!("vp={token}"))).await, 200, "where the token is");

    running.reload("[rate_limits]\nper_credential = \"1/h\"", TAKEN_ON);
    assert_eq!(running.site.api("stream/v1/token", &json!({})).await.0, 200);
    assert_eq!(running.site.api("stream/v1/token", &json!({})).await.0, 429, "how much");
    running.reload("[rate_limits]\nper_credential = \"1/h\"", TAKEN_ON);
    assert_eq!(running.site.api("stream/v1/token", &json!({})).await.0, 429, "and that is not forgotten");
    running.reload("[rate_limits]\nper_credential = \"off\"", TAKEN_ON);
    assert_eq!(running.site.api("stream/v1/token", &json!({})).await.0, 200);
}

#[tokio::test]
async fn a_hashed_address_keeps_its_hash() {
    const HASHED: &str = "[log]\nviewer_address = \"hashed\"";
    let mut running = Reloaded::start("reload-hash", "");
    running.reload(HASHED, TAKEN_ON);
    running.site.view("v1", ("accept", "*/*")).await;
    running.reload(HASHED, TAKEN_ON);
    running.site.view("v1", ("accept", "*/*")).await;
    let log = running.site.server.log();
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let addresses: Vec<Value> =
        lines.map(|line: Value| line["viewer.address"].clone()).filter(|it| !it.is_null()).collect();
    assert_eq!(addresses.len(), 2);
    assert_eq!(addresses[0], addresses[1]);
}

#[tokio::test]
async fn the_log_says_more_or_less() {
    let mut running = Reloaded::start("reload-level", "");
    running.site.view("v1", ("accept", "*/*")).await;
    running.reload("[log]\nlevel = \"debug\"", TAKEN_ON);
    let debug_lines = |running: &Reloaded| running.site.server.log().matches("\"level\":\"DEBUG\"").count();
    assert_eq!(debug_lines(&running), 0);
    let token = running.site.issue(json!({})).await;
    running.site.view(&token, ("accept", "*/*")).await;
    let some = debug_lines(&running);
    assert!(some > 0);
    running.reload("", TAKEN_ON);
    running.site.view(&token, ("accept", "*/*")).await;
    assert_eq!(debug_lines(&running), some);
}

#[tokio::test]
async fn what_cannot_be_used_changes_nothing() {
    let mut running = Reloaded::start("reload-refused", TRUSTING);
    let token = running.token().await;
    let lines = running.reload("[tokens]\nmax_access_rules = 0\nlease = \"soon\"", REFUSED);
    let problem = lines.iter().find(|line| line["message"].as_str().unwrap().contains(REFUSED)).unwrap();
    assert_eq!(problem["level"], "ERROR");
    let text = problem["error"].as_str().unwrap();
    assert!(text.contains("tokens.max_access_rules") && text.contains("tokens.lease"), "{text}");
    assert_eq!(running.site.view(&token, ELSEWHERE).await, 200);
    running.reload("this is no TOML", REFUSED);
    assert_eq!(running.site.view(&token, ELSEWHERE).await, 200);
    // A file that is cut off while it is written, or away: the defaults are laxer in other settings.
    for text in [Some(""), Some("# All of it\n"), None] {
        running.read_again(text, REFUSED);
        assert_eq!(running.site.view(&token, ELSEWHERE).await, 200, "{text:?}");
    }
    running.reload("", TAKEN_ON);
    assert_eq!(running.site.view(&token, ELSEWHERE).await, 403);
}

#[tokio::test]
async fn a_file_that_hangs_holds_nobody_up() {
    let mut running = Reloaded::start("reload-hanging", "");
    let file = running.site.installed.folder().join("vidpass.toml");
    std::fs::remove_file(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    running.site.server.signal("HUP");
    let mut pipe = running.site.server.wait_for(|_| {
        // It opens once the server reads.
        std::fs::File::options().write(true).custom_flags(O_NONBLOCK).open(&file).ok()
    });
    let token = running.site.issue(json!({})).await;
    assert_eq!(running.site.view(&token, ("accept", "*/*")).await, 200);
    pipe.write_all(running.template.as_bytes()).unwrap();
    drop(pipe);
    running.site.server.wait_for(|server| server.log().contains(TAKEN_ON).then_some(()));
}

#[tokio::test]
async fn what_takes_a_restart_is_named_and_stays() {
    let mut running = Reloaded::start("reload-restart", "");
    let token = running.token().await;
    let settings =
        format!("{TRUSTING}\n[limits]\nmax_connections = 7\n[origins.archive]\ntype = \"folder\"\nfolder = \"x\"");
    let lines = running.reload(&settings, "\"origins\"");
    let mut named: Vec<_> = lines.iter().filter_map(|line| line["setting"].as_str()).collect();
    named.sort_unstable();
    assert_eq!(named, ["limits", "origins"]);
    assert_eq!(running.site.view(&token, ELSEWHERE).await, 200, "all else is taken on");
}

#[tokio::test]
async fn proxies_that_may_ask_are_told_anew() {
    let listener = |proxies| {
        format!("[[forward_auth]]\nlisten = \"127.0.0.1:0\"\npreset = \"caddy\"\ntrusted_proxies = [\"{proxies}\"]")
    };
    let mut running = Reloaded::start("reload-proxies", &listener("192.0.2.1"));
    let token = running.site.issue(json!({})).await;
    let url = running.asked_at();
    assert_eq!(ask(&running, &url, &token).await, 403);
    running.reload(&listener("127.0.0.1"), TAKEN_ON);
    assert_eq!(ask(&running, &url, &token).await, 200);
}

#[tokio::test]
async fn a_proxy_that_may_no_longer_ask_does_not_come_back_with_another_listener() {
    let table = |port: u16, proxies| {
        format!(
            "[[forward_auth]]\nlisten = \"127.0.0.1:{port}\"\npreset = \"caddy\"\ntrusted_proxies = [\"{proxies}\"]\n"
        )
    };
    let mut running = Reloaded::start("reload-withdrawn", &table(0, "127.0.0.1"));
    let token = running.site.issue(json!({})).await;
    let url = running.asked_at();
    assert_eq!(ask(&running, &url, &token).await, 200);
    running.reload(&table(0, "192.0.2.1"), TAKEN_ON);
    assert_eq!(ask(&running, &url, &token).await, 403);
    let lines = running.reload(&[table(0, "192.0.2.1"), table(1, "127.0.0.1")].concat(), "\"forward_auth\"");
    assert!(lines.iter().any(|line| line["setting"] == "forward_auth"), "{lines:?}");
    assert_eq!(ask(&running, &url, &token).await, 403);
}

/// What a proxy hears that asks for a viewer.
async fn ask(running: &Reloaded, url: &str, token: &str) -> StatusCode {
    let question = running.site.http.get(url).header("x-forwarded-uri", format!("/{token}/manifest/video.m3u8"));
    let question = question.header("x-forwarded-method", "GET").header("x-forwarded-host", "video.example.com");
    question.header("x-forwarded-for", "192.0.2.7").send().await.unwrap().status()
}

/// Viewers and callers on kept connections, and a download that lasts throughout, while the configuration changes 40 times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_dropped() {
    const RELOADS: usize = 40;
    const SIZE: usize = 32 << 20;
    let mut running = Reloaded::start("reload-load", "");
    let token = running.token().await;
    let download = running.site.issue(json!({ "downloadable": true })).await;
    let folder = running.site.installed.media().join("a1/v1/downloads");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("default.mp4"), vec![7; SIZE]).unwrap();
    let (status, answer) = running.site.api("stream/v1/downloads", &json!({})).await;
    assert_eq!(status, 200, "{answer}");
    let mut slow = TcpStream::connect(running.site.url.strip_prefix("http://").unwrap()).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(slow, "GET /{download}/downloads/default.mp4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut start = [0; 1000];
    slow.read_exact(&mut start).unwrap();
    assert!(start.starts_with(b"HTTP/1.1 200"));

    let over = Arc::new(AtomicBool::new(false));
    let mut clients = tokio::task::JoinSet::new();
    for caller in 0..6 {
        let (over, http, token, url) =
            (Arc::clone(&over), running.site.http.clone(), token.clone(), running.site.url.clone());
        let (email, key) = (running.site.email, running.site.key.clone());
        clients.spawn(async move {
            let mut seen = std::collections::BTreeMap::<u16, usize>::new();
            while !over.load(Ordering::Relaxed) {
                let request = if caller < 4 {
                    http.get(format!("{url}/{token}/manifest/video.m3u8")).header(ELSEWHERE.0, ELSEWHERE.1)
                } else {
                    let request = http.post(format!("{url}/client/v4/accounts/a1/stream/v1/token"));
                    request.header("x-auth-email", email).header("x-auth-key", &key)
                };
                let answer = request.send().await.expect("each request is answered");
                *seen.entry(answer.status().as_u16()).or_default() += 1;
                answer.bytes().await.expect("each answer is whole");
            }
            (caller, seen)
        });
    }
    for reload in 0..RELOADS {
        running.reload(if reload % 2 == 0 { TRUSTING } else { "" }, TAKEN_ON);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    over.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        let (caller, seen) = ended.unwrap();
        let statuses: Vec<u16> = seen.keys().copied().collect();
        assert_eq!(statuses, if caller < 4 { &[200, 403][..] } else { &[200][..] }, "{seen:?}");
    }
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).unwrap();
    assert!(start.len() + rest.len() > SIZE, "{}", rest.len());
}
