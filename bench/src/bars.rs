//! How each bar is measured.

pub(crate) mod issue;
pub(crate) mod micro;
pub(crate) mod peers;
pub(crate) mod serve;
pub(crate) mod server;
pub(crate) mod verify;

use crate::Bench;
use crate::load::{Exchange, Load, Sample, Until};
use crate::process::Process;

/// As many connections as a proxy keeps.
pub(crate) const CONNECTIONS: usize = 32;

impl Bench {
    /// The warm-up, which is discarded.
    pub(crate) fn warm_up(&self) -> Until {
        Until::Elapsed(self.window / 4)
    }

    /// Runs a load for this run's window.
    pub(crate) fn sample(&self, load: &Load<'_>, servers: &[&Process]) -> anyhow::Result<Sample> {
        load.run(servers, self.warm_up(), Until::Elapsed(self.window))
    }

    /// How many answers a CPU-second of `servers` gives.
    pub(crate) fn rate(
        &self,
        address: std::net::SocketAddr,
        connections: usize,
        exchanges: &[Exchange],
        servers: &[&Process],
    ) -> anyhow::Result<f64> {
        self.sample(&Load { address, connections, exchanges, tls: None }, servers)?.per_cpu_second()
    }
}
