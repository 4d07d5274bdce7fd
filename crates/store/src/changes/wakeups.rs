//! PostgreSQL's own word that another process committed a change.
//!
//! A word may be lost with a connection. It only makes followers look sooner: they look every second in any case.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;
use vidpass_token::Chain;

/// The channel on which every commit of a change is told.
pub(crate) const CHANNEL: &str = "vidpass_changes";

/// How long to wait before another try to listen.
const RETRY: Duration = Duration::from_secs(1);

/// Listens until it is dropped.
pub(super) struct Wakeups(AbortHandle);

impl Wakeups {
    /// Tells `wake` of each change, over a connection of `pool` that is held for as long as this is.
    pub(super) fn listen(pool: PgPool, wake: watch::Sender<()>) -> Self {
        Self(tokio::spawn(async move { listen(&pool, &wake).await }).abort_handle())
    }
}

impl Drop for Wakeups {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn listen(pool: &PgPool, wake: &watch::Sender<()>) {
    while !pool.is_closed() {
        if let Err(error) = hear(pool, wake).await {
            tracing::debug!(error = %Chain(&error), "changes of other processes are not told; they are looked for every second");
        }
        sleep(RETRY).await;
    }
}

async fn hear(pool: &PgPool, wake: &watch::Sender<()>) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // Before the first word, and where the connection was lost, something may have been missed.
        wake.send_replace(());
        listener.try_recv().await?;
    }
}
