//! A server that reads a request and answers 204 without looking at it: what is left of one that has nothing to do.

use std::net::{SocketAddr, TcpListener, TcpStream};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::Bench;
use crate::process::{Process, at, free_port, server_command};

const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// The longest request, in bytes.
const REQUEST: usize = 16 * 1024;

/// One that runs as a process of its own.
pub(crate) struct Floor {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Floor {
    pub(crate) fn start(bench: &Bench) -> anyhow::Result<Self> {
        let address = at(free_port());
        let mut command = server_command(std::env::current_exe()?);
        command.args(["--answer", &address.to_string()]);
        let mut process = Process::start("floor", &bench.build.join("logs"), &mut command)?;
        process.wait_for(address)?;
        Ok(Self { process, address })
    }
}

/// Answers at `address` until it is killed.
pub(crate) fn answer(address: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)?;
    let ready = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&ready, &listener, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
    let (mut connections, mut events) = (Vec::<Option<TcpStream>>::new(), Vec::with_capacity(64));
    let mut request = vec![0; REQUEST];
    loop {
        epoll::wait(&ready, spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            let Some(number) = usize::try_from(event.data.u64())?.checked_sub(1) else {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                let number = epoll::EventData::new_u64(connections.len() as u64 + 1);
                epoll::add(&ready, &stream, number, epoll::EventFlags::IN)?;
                connections.push(Some(stream));
                continue;
            };
            let Some(stream) = &connections[number] else { continue };
            match recv(stream, &mut request, RecvFlags::empty()) {
                Ok((_, 0)) | Err(_) => connections[number] = None,
                Ok((_, read)) if request[..read].ends_with(b"\r\n\r\n") => {
                    // Whoever has gone needs no answer.
                    _ = send(stream, ANSWER, SendFlags::NOSIGNAL);
                }
                Ok(_) => {}
            }
        }
    }
}
