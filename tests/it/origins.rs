//! The same video from folders, buckets and HTTP servers that nobody here wrote.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use reqwest::header::HeaderValue;
use reqwest::{Client, Method};
use vidpass_token::{Claims, SigningKey, UnixTime};

use crate::support::{Answer, BUCKET, Bucket, Installed, KEY_ID, Origin, Process, SECRET_KEY};
use crate::support::{client, copy_all, files_below, now, repository, run};

const SEGMENT: &str = "manifest/360p/1.m4s";

/// A server with account `acme`, whose videos are called as their origins are.
struct Site {
    installed: Installed,
    server: Process,
    url: String,
    key: SigningKey,
    http: Client,
}

impl Site {
    /// `settings` has the tables of `origins`, each of which gets a video with all files of the sample.
    fn start(name: &str, settings: &str, origins: &[&str]) -> Self {
        Self::start_with(name, settings, origins, |command| command)
    }

    fn start_with(name: &str, settings: &str, origins: &[&str], change: impl Fn(Command) -> Command) -> Self {
        let installed = Installed::new(name);
        let credentials = installed.folder().join("s3-credentials.toml");
        let text = format!("access_key_id = {KEY_ID:?}\nsecret_access_key = {SECRET_KEY:?}\n");
        std::fs::write(&credentials, text).unwrap();
        std::fs::set_permissions(&credentials, std::fs::Permissions::from_mode(0o600)).unwrap();
        installed.set(settings);
        installed.json(&["account", "create", "--name", "Acme", "--id", "acme"]);
        for origin in origins {
            installed.json(&["video", "create", "--uid", origin, "--origin", origin, "--downloads", "true"]);
        }
        let key = installed.json(&["key", "create"]);
        let words = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "off", "--log-format", "json"];
        let mut server = Process::start(&format!("{name}-server"), &mut change(installed.command(&words)));
        let url = server.wait_for(Process::listening);
        let key = SigningKey::from_jwk(None, key["jwk"].as_str().unwrap()).unwrap();
        Self { installed, server, url, key, http: client() }
    }

    fn token(&self, video: &str) -> String {
        let mut claims = Claims::new(video.parse().unwrap(), UnixTime(now() + 3600));
        claims.downloadable = true;
        self.key.sign(&claims).unwrap().as_str().to_owned()
    }

    async fn ask(&self, method: &str, video: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let url = format!("{}/{}/{path}", self.url, self.token(video));
        Answer::to(self.http.request(method.parse::<Method>().unwrap(), url), headers).await
    }

    async fn status(&self, video: &str, path: &str) -> u16 {
        self.ask("GET", video, path, &[]).await.status
    }
}

/// Without what may differ: when, and the validators, which are the origin's own.
fn comparable(mut answer: Answer) -> Answer {
    for name in ["date", "etag", "last-modified"] {
        answer.headers.remove(name);
    }
    if answer.header("cache-control").starts_with("private") {
        answer.headers.insert("cache-control", HeaderValue::from_static("private"));
    }
    answer
}

fn s3(name: &str, endpoint: &str, style: &str) -> String {
    format!(
        "[origins.{name}]\ntype = \"s3\"\nbucket = \"{BUCKET}\"\nregion = \"us-east-1\"\nendpoint = \"{endpoint}\"\n\
         style = \"{style}\"\npath = \"vod/{{account}}/{{uid}}\"\ncredentials_file = \"s3-credentials.toml\"\n"
    )
}

fn http(name: &str, address: &str) -> String {
    format!("[origins.{name}]\ntype = \"http\"\nurl = \"http://{address}/base\"\npath = \"{{uid}}\"\n")
}

fn sample() -> std::path::PathBuf {
    repository().join("assets/sample-video")
}

#[tokio::test]
async fn every_origin_gives_the_same_answers() {
    let folder = tempfile::tempdir().unwrap();
    copy_all(&sample(), &folder.path().join("nas/acme/nas"));
    copy_all(&sample(), &folder.path().join("web/base/nginx"));
    let (s3s, moto) = (Bucket::s3s("origins-s3s"), Bucket::moto("origins-moto"));
    s3s.fill(&sample(), "vod/acme/s3s");
    moto.fill(&sample(), "vod/acme/moto");
    let nginx = Origin::start("origins-nginx", &folder.path().join("web"));
    let settings = [
        format!("[origins.nas]\ntype = \"folder\"\nfolder = \"{}/nas\"\n", folder.path().display()),
        http("nginx", &nginx.address),
        s3("s3s", &s3s.endpoint(), "path"),
        s3("moto", &moto.endpoint(), "path"),
    ];
    let origins = ["nas", "nginx", "s3s", "moto"];
    let site = Site::start("origins", &settings.concat(), &origins);
    // A date is good for `If-Range` only when its second is over.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    every_file_is_the_same(&site, &origins).await;
    ranges_and_conditions_are_the_same(&site, &origins).await;
    nothing_of_the_viewer_is_in_the_log(&site, &nginx).await;
    for origin in origins {
        assert_eq!(site.status(origin, "manifest/nothing.m4s").await, 404, "{origin}");
        assert_eq!(site.status(origin, "nothing/at/all").await, 404, "{origin}");
    }
    plays_with_ffmpeg(&site, "s3s");
}

async fn every_file_is_the_same(site: &Site, origins: &[&str]) {
    for file in files_below(&sample()) {
        let (path, expected) = (file.to_str().unwrap(), std::fs::read(sample().join(&file)).unwrap());
        let first = comparable(site.ask("GET", origins[0], path, &[]).await);
        assert_eq!((first.status, first.body == expected), (200, true), "{path}");
        let head = comparable(site.ask("HEAD", origins[0], path, &[]).await);
        for origin in &origins[1..] {
            let whole = site.ask("GET", origin, path, &[]).await;
            assert!(
                whole.headers.contains_key("etag") && whole.headers.contains_key("last-modified"),
                "{origin}: {path}"
            );
            let whole = comparable(whole);
            assert_eq!((&whole.headers, whole.body == expected), (&first.headers, true), "{origin}: {path}");
            assert_eq!(comparable(site.ask("HEAD", origin, path, &[]).await), head, "{origin}: {path}");
        }
    }
}

async fn ranges_and_conditions_are_the_same(site: &Site, origins: &[&str]) {
    for row in rows() {
        for method in ["GET", "HEAD"] {
            let mut expected = None;
            for origin in origins {
                let now = site.ask("HEAD", origin, SEGMENT, &[]).await;
                let own =
                    |text: &str| text.replace("TAG", now.header("etag")).replace("DATE", now.header("last-modified"));
                let headers: Vec<(&str, String)> = row.iter().map(|(name, value)| (*name, own(value))).collect();
                let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let answer = comparable(site.ask(method, origin, SEGMENT, &headers).await);
                let first = expected.get_or_insert_with(|| answer.clone());
                assert_eq!(answer.status, first.status, "{origin} {method} {row:?}");
                assert_eq!(answer.headers, first.headers, "{origin} {method} {row:?}");
                assert!(answer.body == first.body, "{origin} {method} {row:?}");
            }
        }
    }
}

fn rows() -> Vec<Vec<(&'static str, &'static str)>> {
    let (earlier, later) = ("Thu, 15 Jan 2015 07:00:00 GMT", "Fri, 15 Jan 2038 07:00:00 GMT");
    let ranges = [
        "bytes=0-0",
        "bytes=100-199",
        "bytes=100-",
        "bytes=0-",
        "bytes=100-99999999",
        "bytes=-1",
        "bytes=-100",
        "bytes=-99999999",
        "bytes=-0",
        "bytes=99999999-",
        "bytes=99999999-999999999",
        "bytes=9223372036854775807-",
        "bytes=0-9223372036854775807",
        "bytes=-9223372036854775808",
        "bytes=0-0,2-2",
        "bytes=4-2",
        "lines=0-0",
        "nonsense",
    ];
    let conditions = [
        ("if-none-match", "TAG"),
        ("if-none-match", "W/TAG"),
        ("if-none-match", "\"a\", TAG"),
        ("if-none-match", "\"a\""),
        ("if-none-match", "*"),
        ("if-modified-since", "DATE"),
        ("if-modified-since", earlier),
        ("if-modified-since", later),
        ("if-match", "TAG"),
        ("if-match", "\"a\""),
        ("if-match", "*"),
        ("if-unmodified-since", "DATE"),
        ("if-unmodified-since", earlier),
        ("if-unmodified-since", later),
        ("if-range", "TAG"),
        ("if-range", "W/TAG"),
        ("if-range", "\"a\""),
        ("if-range", "DATE"),
        ("if-range", earlier),
    ];
    let mut rows: Vec<Vec<(&str, &str)>> = ranges.iter().map(|range| vec![("range", *range)]).collect();
    for condition in conditions {
        rows.push(vec![condition]);
        rows.push(vec![("range", "bytes=100-199"), condition]);
        rows.push(vec![("range", "bytes=99999999-"), condition]);
    }
    rows
}

async fn nothing_of_the_viewer_is_in_the_log(site: &Site, nginx: &Origin) {
    let (before, token) = (nginx.log().lines().count(), site.token("nginx"));
    let headers = [("cookie", "a=secret"), ("authorization", "Bearer secret"), ("referer", "https://secret.example/")];
    let path = format!("{SEGMENT}?token={token}&secret");
    assert_eq!(site.ask("GET", "nginx", &path, &headers).await.status, 200);
    let log = nginx.log();
    let new: Vec<&str> = log.lines().skip(before).collect();
    assert_eq!(new, [format!("GET /base/nginx/{SEGMENT} HTTP/1.1 | - | - | -")]);
    assert!(!log.contains("eyJ") && !log.contains("secret"), "{log}");
}

fn plays_with_ffmpeg(site: &Site, origin: &str) {
    let api_token = site.installed.json(&["api-token", "create", "--name", "Tests"]);
    let mut command = Command::new("bash");
    command.arg("read.sh").current_dir(repository().join("tests/clients/ffmpeg"));
    command.env("VIDPASS_URL", &site.url).env("VIDPASS_ACCOUNT_ID", "acme").env("VIDPASS_VIDEO_ID", origin);
    run(&format!("origins-ffmpeg-{origin}"), command.env("VIDPASS_API_TOKEN", api_token["token"].as_str().unwrap()));
}

#[tokio::test]
async fn a_bucket_that_is_gone_harms_no_other_video() {
    let mut s3s = Bucket::s3s("origin-gone-s3s");
    s3s.fill(&sample(), "vod/acme/s3s");
    let site = Site::start("origin-gone", &s3("s3s", &s3s.endpoint(), "path"), &["s3s", "media"]);
    copy_all(&sample(), &site.installed.media().join("acme/media"));
    assert_eq!((site.status("s3s", SEGMENT).await, site.status("media", SEGMENT).await), (200, 200));
    s3s.stop();
    for _ in 0..3 {
        let answer = site.ask("GET", "s3s", SEGMENT, &[]).await;
        assert_eq!((answer.status, answer.header("cache-control")), (502, "no-store"));
        assert!(String::from_utf8_lossy(&answer.body).contains("\"origin_failed\""), "{answer:?}");
        assert_eq!(site.status("media", SEGMENT).await, 200);
    }
    let log = site.server.log();
    assert!(log.contains("an origin gives no file") && log.contains("s3s:acme/s3s/manifest/360p/1.m4s"), "{log}");
    assert!(!log.contains("eyJ") && !log.contains(SECRET_KEY) && !log.contains("Signature="), "{log}");
}

#[tokio::test]
async fn credentials_that_are_wrong_open_nothing() {
    let s3s = Bucket::s3s("origin-wrong-s3s");
    s3s.fill(&sample(), "vod/acme/s3s");
    let settings = s3("s3s", &s3s.endpoint(), "path").replace("credentials_file = \"s3-credentials.toml\"\n", "");
    let with = |key_id: &'static str, secret: &'static str| {
        move |mut command: Command| {
            command.env("AWS_ACCESS_KEY_ID", key_id).env("AWS_SECRET_ACCESS_KEY", secret);
            command
        }
    };
    let site = Site::start_with("origin-environment", &settings, &["s3s"], with(KEY_ID, SECRET_KEY));
    assert_eq!(site.status("s3s", SEGMENT).await, 200, "from the environment");
    for (key_id, secret) in [(KEY_ID, "another secret"), ("AKIAOTHER", SECRET_KEY)] {
        let site = Site::start_with("origin-wrong", &settings, &["s3s"], with(key_id, secret));
        assert_eq!(site.status("s3s", SEGMENT).await, 502, "{key_id}");
        let log = site.server.log();
        assert!(log.contains("the origin answered 403") && !log.contains(secret), "{log}");
    }
}

#[tokio::test]
async fn an_instance_has_its_role() {
    let s3s = Bucket::s3s("origin-role-s3s");
    s3s.fill(&sample(), "vod/acme/s3s");
    let metadata = instance_metadata();
    let settings = s3("s3s", &s3s.endpoint(), "path").replace("credentials_file = \"s3-credentials.toml\"\n", "");
    let site = Site::start_with("origin-role", &settings, &["s3s"], |mut command| {
        command.env("AWS_METADATA_ENDPOINT", &metadata);
        command
    });
    assert_eq!(site.status("s3s", SEGMENT).await, 200);
    assert_eq!(site.ask("GET", "s3s", SEGMENT, &[("range", "bytes=-100")]).await.body.len(), 100);
}

/// What an instance of AWS asks for the credentials of its role (IMDSv2).
fn instance_metadata() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let length = stream.read(&mut head).unwrap();
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            let credentials = format!(
                r#"{{"AccessKeyId":"{KEY_ID}","SecretAccessKey":"{SECRET_KEY}","Token":"t","Expiration":"2037-01-01T00:00:00Z"}}"#
            );
            let body = match head.split(' ').nth(1).unwrap() {
                "/latest/api/token" => "metadata-token".to_owned(),
                path if path.ends_with("/security-credentials/") => "role".to_owned(),
                path if path.ends_with("/security-credentials/role") => credentials,
                other => panic!("{other}"),
            };
            let length = body.len();
            write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
        }
    });
    url
}

#[tokio::test]
async fn a_bucket_may_be_part_of_the_host_name() {
    let s3s = Bucket::s3s("origin-virtual-s3s");
    s3s.fill(&sample(), "vod/acme/s3s");
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    std::fs::write(&hosts, format!("127.0.0.1 localhost {BUCKET}.localhost\n")).unwrap();
    // Names of hosts are the machine's; only this server is to see another list of them.
    let mounts = r#"mount --bind "$0" /etc/hosts && exec "$@""#;
    let able = Command::new("unshare").args(["-m", "sh", "-c", mounts]).arg(&hosts).arg("true").status();
    if !able.is_ok_and(|status| status.success()) {
        writeln!(std::io::stderr(), "\nSKIPPED: no right to mount a list of hosts; nothing was checked").unwrap();
        return;
    }
    let settings = s3("s3s", &s3s.named_endpoint(), "virtual-host");
    let site = Site::start_with("origin-virtual", &settings, &["s3s"], |command| {
        let mut wrapped = Command::new("unshare");
        wrapped.args(["-m", "sh", "-c", mounts]).arg(&hosts).arg(command.get_program()).args(command.get_args());
        wrapped.current_dir(repository()).env_clear();
        for (name, value) in command.get_envs() {
            wrapped.env(name, value.unwrap());
        }
        wrapped
    });
    let expected = std::fs::read(sample().join(SEGMENT)).unwrap();
    assert!(site.ask("GET", "s3s", SEGMENT, &[]).await.body == expected);
    assert!(site.ask("GET", "s3s", SEGMENT, &[("range", "bytes=-9")]).await.body == expected[expected.len() - 9..]);
}

#[tokio::test]
async fn the_certificate_of_an_origin_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    copy_all(&sample(), &folder.path().join("base/python"));
    let mut certificate = Command::new("openssl");
    certificate.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]);
    certificate.args([
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-keyout",
        "key.pem",
        "-out",
        "certificate.pem",
    ]);
    run("origin-tls-certificate", certificate.current_dir(folder.path()));
    let program = "import http.server, ssl\n\
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\n\
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
        context.load_cert_chain('certificate.pem', 'key.pem')\n\
        server.socket = context.wrap_socket(server.socket, server_side=True)\n\
        print(server.server_address[1], flush=True)\n\
        server.serve_forever()";
    let mut command = Command::new("python3");
    let mut python = Process::start("origin-tls-python", command.args(["-c", program]).current_dir(folder.path()));
    let port = python.wait_for(|python| python.printed().trim().parse::<u16>().ok());
    let settings = http("python", &format!("localhost:{port}")).replace("http://", "https://");

    let stranger = Site::start("origin-tls-stranger", &settings, &["python"]);
    assert_eq!(stranger.status("python", SEGMENT).await, 502);
    assert!(stranger.server.log().contains("certificate"), "{}", stranger.server.log());
    let authority = folder.path().join("certificate.pem");
    let friend = Site::start_with("origin-tls-friend", &settings, &["python"], |mut command| {
        command.env("SSL_CERT_FILE", &authority);
        command
    });
    let expected = std::fs::read(sample().join(SEGMENT)).unwrap();
    assert!(friend.ask("GET", "python", SEGMENT, &[]).await.body == expected);
    let part = friend.ask("GET", "python", SEGMENT, &[("range", "bytes=1-2")]).await;
    assert_eq!((part.status, part.body == expected), (200, true), "this server knows no ranges");
}

#[tokio::test]
async fn what_is_kept_is_asked_for_once() {
    let folder = tempfile::tempdir().unwrap();
    copy_all(&sample(), &folder.path().join("base/nginx"));
    let nginx = Origin::start("origin-cache-nginx", folder.path());
    let settings = http("nginx", &nginx.address) + "[cache]\nfolder = \"cache\"\nmax_age = \"10m\"\n";
    let site = Site::start("origin-cache", &settings, &["nginx"]);
    let viewers = (0..50).map(|_| site.ask("GET", "nginx", SEGMENT, &[]));
    let expected = std::fs::read(sample().join(SEGMENT)).unwrap();
    for answer in futures_util::future::join_all(viewers).await {
        assert!(answer.status == 200 && answer.body == expected);
    }
    for file in files_below(&sample()) {
        for _ in 0..2 {
            assert_eq!(site.status("nginx", file.to_str().unwrap()).await, 200);
        }
    }
    let log = nginx.log();
    for file in files_below(&sample()) {
        let file = file.to_str().unwrap();
        let requests = log.lines().filter(|line| line.contains(&format!(" /base/nginx/{file} "))).count();
        let manifest = Path::new(file).extension().is_some_and(|extension| extension == "m3u8" || extension == "mpd");
        assert_eq!(requests, if manifest { 2 } else { 1 }, "{file}");
    }
    assert!(std::fs::read_dir(site.installed.folder().join("cache")).unwrap().count() > 10);
}

#[tokio::test]
async fn an_origin_is_named_for_an_account_or_a_video() {
    let folder = tempfile::tempdir().unwrap();
    copy_all(&sample(), &folder.path().join("acme/nas"));
    let settings = format!("[origins.nas]\ntype = \"folder\"\nfolder = \"{}\"\n", folder.path().display());
    let site = Site::start("origin-names", &settings, &["nas"]);
    let refused = |words: &[&str]| {
        let output = site.installed.command(words).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("the configuration has no origin `nsa`; it has: media, nas"), "{text}");
    };
    refused(&["video", "create", "--uid", "v", "--origin", "nsa"]);
    refused(&["video", "edit", "nas", "--origin", "nsa"]);
    refused(&["account", "edit", "acme", "--origin", "nsa"]);
    assert_eq!(site.status("nas", SEGMENT).await, 200);
    site.installed.json(&["video", "edit", "nas", "--origin", "account"]);
    becomes(&site, 404).await;
    site.installed.json(&["account", "edit", "acme", "--origin", "nas"]);
    becomes(&site, 200).await;
    site.installed.json(&["video", "edit", "nas", "--origin", "media"]);
    becomes(&site, 404).await;
}

/// Other processes' changes reach the gate within a second.
async fn becomes(site: &Site, status: u16) {
    let mut last = 0;
    for _ in 0..300 {
        last = site.status("nas", SEGMENT).await;
        if last == status {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{last} instead of {status}");
}

#[tokio::test]
async fn only_tls_needs_roots_of_trust() {
    let folder = tempfile::tempdir().unwrap();
    copy_all(&sample(), &folder.path().join("base/nginx"));
    let nginx = Origin::start("origin-rootless-nginx", folder.path());
    let without_roots = |mut command: Command| {
        command.env("SSL_CERT_FILE", "/nothing").env("SSL_CERT_DIR", "/nothing");
        command
    };
    let plain = http("nginx", &nginx.address);
    let site = Site::start_with("origin-rootless", &plain, &["nginx"], without_roots);
    assert_eq!(site.status("nginx", SEGMENT).await, 200);
    drop(site);
    let installed = Installed::new("origin-rootless-tls");
    installed.set(&plain.replace("http://", "https://"));
    let serve = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "off"];
    let output = without_roots(installed.command(&serve)).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("the origin `nginx` cannot be used") && text.contains("No CA certificates"), "{text}");
}

#[test]
fn what_cannot_be_used_stops_the_start() {
    let bucket = "[origins.b]\ntype = \"s3\"\nbucket = \"videos\"\nregion = \"us-east-1\"\n";
    for (name, settings, reason) in [
        (
            "folder",
            "[origins.nas]\ntype = \"folder\"\nfolder = \"nothing\"".to_owned(),
            "the origin `nas` cannot be used",
        ),
        (
            "template",
            "[origins.a]\ntype = \"http\"\nurl = \"http://h\"\npath = \"../{uid}\"".to_owned(),
            "origins.a.path",
        ),
        ("credentials", format!("{bucket}credentials_file = \"nothing.toml\""), "nothing.toml cannot be read"),
        (
            "style",
            format!("{bucket}endpoint = \"http://127.0.0.1:1\"\nstyle = \"virtual-host\""),
            "use style = \"path\"",
        ),
        ("cache", "[cache]\nfolder = \".\"".to_owned(), "choose a folder of its own"),
    ] {
        let installed = Installed::new(&format!("origin-unusable-{name}"));
        installed.set(&settings);
        let serve = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "off"];
        let output = installed.command(&serve).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(reason), "{reason} is not in: {text}");
    }
}
