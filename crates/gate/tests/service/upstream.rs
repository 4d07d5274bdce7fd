//! Origins as small as a test needs them: a correct server, and all the ways to be none.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use vidpass_gate::OriginKind;

/// A server that does what its script says, and remembers what it was asked.
pub(crate) struct Upstream {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<String>>>,
    left: Arc<Semaphore>,
}

/// What a script does, one after the other, with one request. After that comes the next one of the connection.
pub(crate) enum Step {
    Send(Vec<u8>),
    /// Waits until the test lets it go on.
    Wait(Arc<Semaphore>),
    /// Does nothing until the other side leaves.
    Hang,
    /// Sends the same until the other side leaves.
    Flood(String),
    /// Ends the connection.
    Close,
}

impl Upstream {
    /// `script` is given the head of each request.
    pub(crate) async fn start(script: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (asked, left) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(Semaphore::new(0)));
        let (script, log, gone) = (Arc::new(script), Arc::clone(&asked), Arc::clone(&left));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, log, gone) = (Arc::clone(&script), Arc::clone(&log), Arc::clone(&gone));
                tokio::spawn(async move {
                    drop(serve(stream, &*script, &log).await);
                    gone.add_permits(1);
                });
            }
        });
        Self { address, asked, left }
    }

    /// A correct server with one file, whatever its name.
    pub(crate) async fn with_file(content: &'static str) -> Self {
        Self::start(move |head| vec![Step::Send(answer(head, content.as_bytes()))]).await
    }

    pub(crate) fn kind(&self) -> OriginKind {
        OriginKind::Http(format!("http://{}", self.address).parse().unwrap())
    }

    /// The heads of all requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// The request lines so far, each with what it says of ranges and conditions.
    pub(crate) fn asked_for(&self) -> Vec<String> {
        let told = |line: &&str| line.starts_with("range:") || line.starts_with("if-");
        let short = |head: &String| {
            let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
            head.lines().filter(told).fold(line, |line, header| format!("{line} {header}"))
        };
        self.asked().iter().map(short).collect()
    }

    /// Waits until one more connection has ended.
    pub(crate) async fn somebody_left(&self) {
        tokio::time::timeout(Duration::from_secs(10), self.left.acquire()).await.unwrap().unwrap().forget();
    }
}

async fn serve(
    mut stream: TcpStream,
    script: &(impl Fn(&str) -> Vec<Step> + Sync),
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    while let Some(head) = read_head(&mut stream).await? {
        log.lock().unwrap().push(head.clone());
        for step in script(&head) {
            match step {
                Step::Send(bytes) => stream.write_all(&bytes).await?,
                Step::Wait(until) => tokio::select! {
                    permit = until.acquire() => permit.unwrap().forget(),
                    read = stream.read_u8() => return read.map(drop),
                },
                Step::Hang => return stream.read_u8().await.map(drop),
                Step::Flood(text) => loop {
                    stream.write_all(text.as_bytes()).await?;
                },
                Step::Close => return Ok(()),
            }
        }
    }
    Ok(())
}

async fn read_head(stream: &mut TcpStream) -> std::io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    Ok(Some(String::from_utf8(head).unwrap()))
}

/// When the file of a correct server was changed last.
pub(crate) const CHANGED: &str = "Fri, 15 Jan 2027 07:00:00 GMT";

/// The tag of the file of a correct server.
pub(crate) const TAG: &str = "\"tag-1\"";

/// What a correct server answers that has these bytes.
pub(crate) fn answer(head: &str, content: &[u8]) -> Vec<u8> {
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let bare = |status: &str| format!("HTTP/1.1 {status}\r\netag: {TAG}\r\n").into_bytes();
    if header("if-match").is_some_and(|tags| !tags.contains(TAG)) {
        return [&bare("412 Precondition Failed")[..], b"content-length: 0\r\n\r\n"].concat();
    }
    if header("if-none-match").is_some_and(|tags| tags.contains(TAG)) || header("if-modified-since") == Some(CHANGED) {
        return [&bare("304 Not Modified")[..], format!("last-modified: {CHANGED}\r\n\r\n").as_bytes()].concat();
    }
    let length = content.len();
    let Some((first, last)) = header("range").map(|range| numbers(range, length)) else {
        return whole(head, content, &format!("etag: {TAG}\r\nlast-modified: {CHANGED}\r\n"));
    };
    if first >= length {
        let range = format!("content-range: bytes */{length}\r\ncontent-length: 0\r\n\r\n");
        return [&bare("416 Range Not Satisfiable")[..], range.as_bytes()].concat();
    }
    let part = &content[first..=last];
    let rest = format!(
        "last-modified: {CHANGED}\r\ncontent-range: bytes {first}-{last}/{length}\r\ncontent-length: {}\r\n\r\n",
        part.len()
    );
    [&bare("206 Partial Content")[..], rest.as_bytes(), part].concat()
}

/// An answer with all bytes, whatever was asked.
pub(crate) fn whole(head: &str, content: &[u8], headers: &str) -> Vec<u8> {
    let start = format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n", content.len());
    let body = if head.starts_with("HEAD ") { &[] } else { content };
    [start.as_bytes(), body].concat()
}

fn numbers(range: &str, length: usize) -> (usize, usize) {
    let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    match (first.parse().ok(), last.parse().ok()) {
        (Some(first), Some(last)) => (first, usize::min(last, length.saturating_sub(1))),
        (Some(first), None) => (first, length.saturating_sub(1)),
        (None, Some(suffix)) => (length.saturating_sub(suffix), length.saturating_sub(1)),
        (None, None) => panic!("{range}"),
    }
}
