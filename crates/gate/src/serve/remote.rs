//! Questions to a remote origin, until one answer is what the viewer gets.

use std::ops::Range;

use super::range::Spec;
use super::reply::{Demand, Reply};
use crate::deny::Failure;
use crate::origin::{Fetch, FetchError, Found, Got, Head, Origins, Want};

/// How often an origin is asked for one request: a part of a state that is gone, the length, the part, the whole.
const MAX_QUESTIONS: usize = 4;

/// A file of a remote origin, and what the viewer gets of it.
pub(super) struct Settled {
    pub(super) reply: Reply,
    pub(super) head: Head,
    /// Has the bytes of the reply, if it is one with bytes, and nobody asked for the head alone.
    pub(super) found: Option<Found>,
}

impl Settled {
    /// Of something whose bytes are all here.
    pub(super) fn here(found: Found, demand: &Demand<'_>) -> Self {
        Self { reply: demand.reply(&found.head), head: found.head.clone(), found: Some(found) }
    }
}

/// After an answer.
enum Step {
    Done(Settled),
    Ask(Want),
}

/// Asks the cache, then the origin, until the reply is certain and its bytes are on their way.
pub(super) async fn settle(origins: &Origins, fetch: &Fetch, demand: &Demand<'_>) -> Result<Settled, Failure> {
    if let Some(found) = origins.cached(fetch).await {
        return Ok(Settled::here(found, demand));
    }
    let mut want = fetch.widen(demand.want());
    for _ in 0..MAX_QUESTIONS {
        match step(demand, &want, origins.get(fetch, &want).await?)? {
            Step::Done(settled) => return Ok(settled),
            Step::Ask(next) => want = next,
        }
    }
    Err(fetch.failed(&FetchError::Undecided))
}

fn step(demand: &Demand<'_>, asked: &Want, got: Got) -> Result<Step, Failure> {
    Ok(match got {
        Got::NotFound => return Err(Failure::NotFound),
        Got::PreconditionFailed => Step::Ask(Want::Whole),
        Got::RangeNotSatisfiable => Step::Ask(Want::Head),
        Got::NotModified(validators) => {
            // The length is not told, and does not matter where the reply has no bytes.
            let head = Head { length: 0, validators };
            match demand.reply(&head) {
                reply @ (Reply::Unchanged | Reply::PreconditionFailed) => {
                    Step::Done(Settled { reply, head, found: None })
                }
                Reply::Part(_) | Reply::RangeNotSatisfiable | Reply::Whole => Step::Ask(Want::Whole),
            }
        }
        Got::Found(found) => with_head(demand, asked, found),
    })
}

fn with_head(demand: &Demand<'_>, asked: &Want, found: Found) -> Step {
    let head = found.head.clone();
    let done = |reply, found| Step::Done(Settled { reply, head: head.clone(), found });
    match demand.reply(&head) {
        reply @ (Reply::Unchanged | Reply::PreconditionFailed | Reply::RangeNotSatisfiable) => done(reply, None),
        reply @ (Reply::Whole | Reply::Part(_)) if demand.wants_head() => done(reply, None),
        Reply::Whole if found.is_whole() => done(Reply::Whole, Some(found)),
        Reply::Whole => Step::Ask(Want::Whole),
        Reply::Part(part) if found.has(&part) => done(Reply::Part(part), Some(found)),
        // An origin that knows no ranges: a server may send all, and a viewer must expect it (RFC 9110, section 14.2).
        Reply::Part(_) if found.is_whole() && asks_part(asked) => done(Reply::Whole, Some(found)),
        Reply::Part(part) => Step::Ask(exactly(&part)),
    }
}

fn asks_part(want: &Want) -> bool {
    matches!(want, Want::Part { .. })
}

/// By numbers, now that the length is known.
fn exactly(part: &Range<u64>) -> Want {
    Want::Part { spec: Spec::FromTo { first: part.start, last: part.end - 1 }, of: None }
}
