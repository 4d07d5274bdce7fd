//! Requests as they go over the wire, and one answer to look at closely.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::load::Exchange;

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// A request without a body.
pub(crate) fn get(path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    request("GET", path, headers, b"")
}

pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: video.example.com\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    [text.as_bytes(), body].concat()
}

/// Sends one request and reads the answer.
pub(crate) fn ask(address: SocketAddr, request: &[u8]) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("nothing listens at {address}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request)?;
    let mut read = Vec::new();
    let mut piece = [0; 65536];
    loop {
        let count = stream.read(&mut piece)?;
        ensure!(count > 0, "the connection ended after {} bytes of the answer", read.len());
        read.extend_from_slice(&piece[..count]);
        if let Some(head) = Head::read(&read)? {
            let whole = head.length + usize::try_from(head.body)?;
            if read.len() >= whole {
                return Ok(Answer { status: head.status, body: read[head.length..whole].to_vec() });
            }
        }
    }
}

/// What a request gets whenever it is sent: `status`, and a body of the length that it has now.
pub(crate) fn exchange(address: SocketAddr, request: Vec<u8>, status: u16) -> anyhow::Result<Exchange> {
    let answer = ask(address, &request)?;
    if answer.status != status {
        let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]).into_owned();
        bail!("{address} answers {}, not {status}: {body}", answer.status);
    }
    Ok(Exchange { request, status, body: answer.body.len() as u64 })
}

/// The head of an answer.
pub(crate) struct Head {
    pub(crate) status: u16,
    /// How long the head itself is.
    pub(crate) length: usize,
    /// How long the body is.
    pub(crate) body: u64,
}

impl Head {
    /// Reads a head, if all of it is there.
    pub(crate) fn read(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; 48];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = response.parse(bytes)? else { return Ok(None) };
        let status = response.code.context("an answer without a status")?;
        let told = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
        let body = match told {
            Some(told) => std::str::from_utf8(told.value)?.parse()?,
            None if status == 204 || status == 304 => 0,
            None => bail!("an answer {status} without Content-Length"),
        };
        Ok(Some(Self { status, length, body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let check = |text: &str, expected: Option<(u16, u64)>| {
            let head = Head::read(text.as_bytes()).unwrap();
            assert_eq!(head.map(|head| (head.status, head.body)), expected, "{text:?}");
        };
        check("HTTP/1.1 200 OK\r\nContent-Le", None);
        check("HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n", Some((200, 17)));
        check("HTTP/1.1 204 No Content\r\n\r\n", Some((204, 0)));
        assert!(Head::read(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
