//! A cable to PostgreSQL that can be cut: from then on nobody hears anything, and nothing is closed.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;

/// Between a port and the server's socket.
pub(crate) struct Cable {
    pub(crate) port: u16,
    whole: Arc<watch::Sender<bool>>,
}

impl Cable {
    pub(crate) async fn to(socket: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let whole = Arc::new(watch::Sender::new(true));
        let (socket, state) = (socket.to_owned(), Arc::clone(&whole));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (socket, state) = (socket.clone(), Arc::clone(&state));
                tokio::spawn(async move {
                    // One that comes while the cable is cut is never answered, also not afterwards.
                    let whole = *state.borrow();
                    if !whole {
                        return std::future::pending().await;
                    }
                    let Ok(server) = UnixStream::connect(&socket).await else { return };
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    let one = carry(from_client, to_server, &state);
                    let other = carry(from_server, to_client, &state);
                    tokio::select! { () = one => {}, () = other => {} }
                });
            }
        });
        Self { port, whole }
    }

    pub(crate) fn cut(&self) {
        self.whole.send_replace(false);
    }

    pub(crate) fn mend(&self) {
        self.whole.send_replace(true);
    }
}

/// Carries bytes until one end is closed, or for ever nothing once the cable was cut.
async fn carry(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    whole: &watch::Sender<bool>,
) {
    let (mut state, mut buffer) = (whole.subscribe(), vec![0; 16 * 1024]);
    loop {
        let length = tokio::select! {
            () = async { drop(state.wait_for(|whole| !whole).await) } => None,
            read = from.read(&mut buffer) => Some(read.unwrap_or(0)),
        };
        let Some(length) = length else { return std::future::pending().await };
        if length == 0 || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
