//! Signs tokens: those with RSA on threads of its own, one for each core, behind one queue whose length has a bound.
//!
//! An RSA signature keeps a core busy for half a millisecond. On the threads that answer requests it would hold up whoever
//! comes next, and on those that read files, the viewers. Its threads have a lower priority than either: where the machine has
//! too much to do, tokens are what waits, and what would wait for too long is refused at once.
//!
//! A signature of another kind takes 20 µs, less than handing it to another thread and back: it is made where it is asked for.

mod path;
mod queue;
mod together;
mod worker;

use std::num::NonZero;
use std::sync::Arc;
use std::thread::{self, available_parallelism};

use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use vidpass_token::{Algorithm, SignError, Token, UnsignedToken};

pub use self::path::{SigningPath, WhyAlone};
use self::queue::{Job, Queue};
use crate::config::Batching;
use crate::metrics::{Made, SignerMetrics};

/// How many tokens of those who ask for many wait at a time, for each thread: enough to keep it busy, and few enough that who
/// asks for one hardly waits longer.
const MANY_AT_ONCE: usize = 32;

/// The threads that sign. A clone is another handle on the same; they end with the last one.
#[derive(Clone)]
pub struct Signer(Arc<Shared>);

struct Shared {
    queue: Arc<Queue>,
    /// Turns for tokens of those who ask for many.
    turns: Semaphore,
    metrics: SignerMetrics,
}

/// Why a token was not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// It would have to wait for too long.
    #[error("too many tokens wait to be signed")]
    Overloaded,
    /// It cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The thread gave it up: the cryptographic library panicked.
    #[error("the signing of a token ended before it was done")]
    Stopped,
}

impl Signer {
    /// Starts a thread for each core. Registers its metrics, `vidpass_api_sign…`.
    ///
    /// # Panics
    /// Where the system gives no thread: such a process could not serve anything. And outside of a tokio runtime.
    #[must_use]
    pub fn start(batching: Batching, registry: &mut Registry) -> Self {
        let metrics = SignerMetrics::register(registry);
        let signer = Self::without_threads(cores(), &metrics);
        let path = SigningPath::find(batching);
        tracing::info!("{path}");
        let together = Arc::new(path.into_together());
        metrics.lanes.set(if together.is_some() { 8 } else { 1 });
        for number in 0..cores() {
            let (queue, together, metrics) = (Arc::clone(&signer.0.queue), Arc::clone(&together), metrics.clone());
            let runtime = Handle::current();
            let sign = move || worker::run(&queue, together.as_ref().as_ref(), &metrics, &runtime);
            thread::Builder::new().name(format!("sign-{number}")).spawn(sign).expect("the system gives a thread");
        }
        signer
    }

    /// A queue for so many threads, which are not there.
    pub(crate) fn without_threads(threads: usize, metrics: &SignerMetrics) -> Self {
        let queue = Arc::new(Queue::new(threads, metrics.waiting.clone(), metrics.refused.clone()));
        Self(Arc::new(Shared { queue, turns: Semaphore::new(MANY_AT_ONCE * threads), metrics: metrics.clone() }))
    }

    /// Refuses where another token would have to wait for too long, before anything is done for it.
    ///
    /// # Errors
    /// [`SigningError::Overloaded`]
    pub fn require_room(&self) -> Result<(), SigningError> {
        self.0.queue.require_room()
    }

    /// Signs a token, when it is its turn.
    ///
    /// # Errors
    /// [`SigningError`]
    pub async fn sign(&self, token: UnsignedToken) -> Result<Token, SigningError> {
        if is_quick(&token) {
            return self.sign_here(token);
        }
        let (job, signed) = job(token);
        self.0.queue.push(job)?;
        signed.await.unwrap_or(Err(SigningError::Stopped))
    }

    /// Signs one of many tokens that somebody asks for at once. It is never refused: all such wait for each other, and few of
    /// them are among the others.
    ///
    /// # Errors
    /// [`SigningError::Sign`] and [`SigningError::Stopped`]
    ///
    /// # Panics
    /// Never: the turns are not closed.
    pub async fn sign_of_many(&self, token: UnsignedToken) -> Result<Token, SigningError> {
        if is_quick(&token) {
            // A thousand of them in a row would hold up others for 20 ms.
            tokio::task::yield_now().await;
            return self.sign_here(token);
        }
        let _turn = self.0.turns.acquire().await.expect("the semaphore is never closed");
        let (job, signed) = job(token);
        self.0.queue.push_anyway(job);
        signed.await.unwrap_or(Err(SigningError::Stopped))
    }

    fn sign_here(&self, token: UnsignedToken) -> Result<Token, SigningError> {
        let signed = token.sign()?;
        self.0.metrics.count(Made::Single, 1);
        Ok(signed)
    }
}

/// Whether its signature is sooner made than handed over.
fn is_quick(token: &UnsignedToken) -> bool {
    matches!(token.key().algorithm(), Algorithm::Es256 | Algorithm::EdDsa)
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.close();
    }
}

fn job(token: UnsignedToken) -> (Job, oneshot::Receiver<Result<Token, SigningError>>) {
    let (reply, signed) = oneshot::channel();
    (Job { token, reply }, signed)
}

pub(crate) fn cores() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

#[cfg(test)]
mod tests;
