//! From a viewer's request to a decision that is counted and can be logged, whoever asked and whoever serves.

use std::net::IpAddr;
use std::sync::Arc;

use http::Method;
use vidpass_token::{Clock, Denial, MediaPath, Permit, UnixTime, Viewer};

use crate::admission::Admission;
use crate::asked::RequestHeaders;
use crate::country::CountrySource;
use crate::credential_place::CredentialPlace;
use crate::decide::{Gate, MediaAsk};
use crate::decision_id::DecisionId;
use crate::log::{AddressInLog, Line};
use crate::seen::Verified;
use crate::viewer::embedding;

/// Decides viewers' requests for all who serve them.
pub struct Judge {
    /// Decides.
    pub gate: Arc<Gate>,
    /// Knows the country of an address.
    pub countries: Arc<CountrySource>,
    /// Where tokens are read from.
    pub credential_place: CredentialPlace,
    /// How the log shows viewers' addresses.
    pub address_in_log: AddressInLog,
    /// Tells the time, once per request.
    pub clock: Clock,
}

/// One viewer's request, from the viewer or from a proxy that asks on their behalf.
pub(crate) struct ViewerRequest<'a> {
    pub(crate) method: &'a Method,
    /// Path and query as they were received, or why they cannot be told.
    pub(crate) target: Result<&'a str, Denial>,
    pub(crate) host: Option<&'a str>,
    /// What the viewer sent: the place of the token, the origin.
    pub(crate) headers: RequestHeaders<'a>,
    /// The viewer's address, or why it cannot be told.
    pub(crate) address: Result<IpAddr, Denial>,
    /// Whoever is connected.
    pub(crate) peer: IpAddr,
    /// Whoever serves: `gate`, or the kind of proxy that asked.
    pub(crate) via: &'static str,
}

/// A decision that is not counted yet, and what may be logged of it.
pub(crate) struct Weighed<'a> {
    pub(crate) outcome: Result<Permitted<'a>, Denial>,
    pub(crate) line: Line<'a>,
    pub(crate) now: UnixTime,
}

/// A decision, and what may be logged of it.
pub(crate) struct Judged<'a> {
    pub(crate) outcome: Result<Permitted<'a>, Refused>,
    pub(crate) line: Line<'a>,
    pub(crate) now: UnixTime,
}

/// A request that is served.
pub(crate) struct Permitted<'a> {
    pub(crate) permit: Permit,
    pub(crate) path: MediaPath<'a>,
    /// Whether the next viewer who asks for the same thing gets the same answer, whoever they are.
    pub(crate) same_for_all: bool,
    /// Under which id it is in the log that a dry run let the viewer in.
    pub(crate) dry_run: Option<DecisionId>,
}

/// A request that is refused, and under which id that is in the log.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) denial: Denial,
    pub(crate) decision: DecisionId,
}

impl Judge {
    /// Decides one request and counts the decision. Who answers a refused viewer logs the line.
    pub(crate) fn judge<'a>(&'a self, request: &ViewerRequest<'a>) -> Judged<'a> {
        let Weighed { outcome, line, now } = self.weigh(request);
        let outcome = match outcome {
            Ok(permitted) => Ok(Permitted { dry_run: self.count_permit(&permitted.permit, &line), ..permitted }),
            Err(denial) => Err(self.count_denial(denial, &line)),
        };
        Judged { outcome, line, now }
    }

    /// Decides one request, and leaves the counting to whoever makes use of the decision.
    pub(crate) fn weigh<'a>(&'a self, request: &ViewerRequest<'a>) -> Weighed<'a> {
        let now = (self.clock)();
        let mut line = Line::new(request, &self.address_in_log);
        let outcome = self.decide(request, now, &mut line);
        Weighed { outcome, line, now }
    }

    /// Counts a permit. Where a dry run alone let the viewer in, that is logged, under the id that is returned.
    pub(crate) fn count_permit(&self, permit: &Permit, line: &Line<'_>) -> Option<DecisionId> {
        let metrics = self.gate.metrics();
        let Some(denial) = permit.would_deny() else {
            metrics.count_permit(permit.account());
            return None;
        };
        metrics.count_would_deny(permit.account(), denial);
        let decision = DecisionId::next();
        line.would_deny(denial, decision);
        Some(decision)
    }

    /// Counts a denial, and names it.
    pub(crate) fn count_denial(&self, denial: Denial, line: &Line<'_>) -> Refused {
        self.gate.metrics().count_denial(line.account.as_ref(), &denial);
        Refused { denial, decision: DecisionId::next() }
    }

    /// What a transfer that `token` opened is held against while it runs.
    pub(crate) fn admission(&self, token: &Arc<Verified>) -> Admission {
        Admission::new(Arc::clone(&self.gate), Arc::clone(&self.clock), Arc::clone(token))
    }

    fn decide<'a>(
        &'a self,
        request: &ViewerRequest<'a>,
        now: UnixTime,
        line: &mut Line<'a>,
    ) -> Result<Permitted<'a>, Denial> {
        let path = MediaPath::parse(request.target.clone()?)?;
        let path = self.credential_place.read(path, request.headers)?;
        line.file = Some(path.file());
        let address = request.address.clone()?;
        let viewer = Viewer::embedded(address, self.countries.country(address), embedding(request.headers));
        line.set_viewer(&viewer);
        let decision =
            self.gate.examine(&MediaAsk { path: &path, viewer: &viewer, now, is_cut_off: self.gate.is_cut_off() });
        (line.carried, line.account) = (decision.carried, decision.account);
        Ok(Permitted { permit: decision.outcome?, path, same_for_all: decision.same_for_all, dry_run: None })
    }
}

impl std::fmt::Debug for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judge")
            .field("gate", &self.gate)
            .field("countries", &self.countries)
            .field("credential_place", &self.credential_place)
            .finish_non_exhaustive()
    }
}
