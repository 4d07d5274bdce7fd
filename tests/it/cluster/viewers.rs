//! Viewers who ask for the same thing at one gate, as often as they are told to, and what they got last.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Client;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// Asks for as long as it lives.
pub(super) struct Viewers {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

/// What viewers were answered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) accepted: u64,
    pub(super) last_accepted: Option<Instant>,
    pub(super) refused: u64,
    pub(super) last_refused: Option<Instant>,
    /// Neither 200 nor a denial.
    pub(super) failed: u64,
}

impl Viewers {
    /// Asks for `url` every `pause`, whether or not the answer before has come.
    pub(super) fn start(http: &Client, url: Arc<str>, pause: Duration) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (http, all) = (http.clone(), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            let mut ticks = interval(pause);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                let (request, seen) = (http.get(&*url), Arc::clone(&all));
                tokio::spawn(async move {
                    let status = request.send().await.map(|answer| answer.status().as_u16());
                    seen.lock().unwrap().note(status.unwrap_or_default());
                });
            }
        });
        Self { seen, task }
    }

    pub(super) fn seen(&self) -> Seen {
        *self.seen.lock().unwrap()
    }
}

impl Seen {
    fn note(&mut self, status: u16) {
        match status {
            200 => {
                self.accepted += 1;
                self.last_accepted = Some(Instant::now());
            }
            401 | 403 | 503 => {
                self.refused += 1;
                self.last_refused = Some(Instant::now());
            }
            _ => self.failed += 1,
        }
    }
}

impl Drop for Viewers {
    fn drop(&mut self) {
        self.task.abort();
    }
}
