//! Connections to PostgreSQL that are given up where they no longer answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool};
use tokio::time::{Instant, timeout};

use super::postgres_pool;

/// How long an answer may take: a little longer than PostgreSQL gives a statement. Only a network that swallows everything
/// takes longer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);

/// How long an idle connection may take to show that it is alive.
const PING_TIMEOUT: Duration = Duration::from_millis(1500);

/// A pool that can be exchanged. Of a network that swallows everything the pool itself would hear only when the system's own
/// patience with it is over, after many minutes, and until then each of its connections counts as taken.
#[derive(Clone)]
pub(crate) struct RenewablePool(Arc<Inner>);

struct Inner {
    /// Itself, for the pool that asks it before it lends a connection.
    this: Weak<Self>,
    options: PgConnectOptions,
    connections: u32,
    current: Mutex<Current>,
}

struct Current {
    pool: PgPool,
    made: Instant,
}

impl RenewablePool {
    /// Up to `connections` at once.
    pub(crate) fn new(options: PgConnectOptions, connections: u32) -> Self {
        Self(Arc::new_cyclic(|this| {
            let current = Mutex::new(Current::new(this, &options, connections));
            Inner { this: this.clone(), options, connections, current }
        }))
    }

    pub(crate) fn current(&self) -> PgPool {
        self.0.lock().pool.clone()
    }

    /// Gives every connection up; the next one is a new one.
    pub(crate) fn renew(&self) {
        self.0.renew_older_than(Duration::ZERO);
    }

    /// What `work` gives, where that comes in time; otherwise every connection is given up.
    pub(crate) async fn in_time<T>(&self, work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        self.0.in_time(ANSWER_TIMEOUT, work).await
    }
}

impl Inner {
    async fn in_time<T>(&self, time: Duration, work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        timeout(time, work).await.unwrap_or_else(|_| {
            // A younger pool was not there yet when this was asked.
            self.renew_older_than(time);
            Err(sqlx::Error::PoolTimedOut)
        })
    }

    fn renew_older_than(&self, age: Duration) {
        let mut current = self.lock();
        if current.made.elapsed() >= age {
            *current = Current::new(&self.this, &self.options, self.connections);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn new(owner: &Weak<Inner>, options: &PgConnectOptions, connections: u32) -> Self {
        let owner = owner.clone();
        let pool = postgres_pool(connections).test_before_acquire(false).before_acquire(move |connection, _| {
            let owner = owner.clone();
            Box::pin(async move { is_alive(&owner, connection).await })
        });
        Self { pool: pool.connect_lazy_with(options.clone()), made: Instant::now() }
    }
}

/// The pool's own test would wait for as long as a caller does, at each connection in turn.
async fn is_alive(owner: &Weak<Inner>, connection: &mut PgConnection) -> sqlx::Result<bool> {
    match owner.upgrade() {
        Some(owner) => owner.in_time(PING_TIMEOUT, connection.ping()).await.map(|()| true),
        None => Ok(false),
    }
}
