//! Which tokens are signed together, and what becomes of those whose signature came out wrong.

use std::collections::VecDeque;

use vidpass_rsa_batch::{Job as LaneJob, LANES, Lanes};
use vidpass_token::{Algorithm, SigningKey, UnsignedToken};

use super::queue::Job;

/// From how many on it is faster: together they take as long as two alone.
const WORTH_IT: usize = 3;

/// Among how many of the first ones company is looked for: the queue is locked meanwhile.
const LOOKED_AT: usize = 64;

/// What signs together.
pub(super) enum Together {
    CryptoMb(Lanes),
    #[cfg(test)]
    Pretended(super::tests::Pretended),
}

/// Takes the first token, and with it those that can be signed together with it, where that is worth it.
pub(super) fn choose(jobs: &mut VecDeque<Job>) -> Vec<Job> {
    let company = jobs.front().and_then(company_of);
    let mut chosen: Vec<Job> = match company {
        Some(length) => places(jobs, length).into_iter().rev().filter_map(|place| jobs.remove(place)).collect(),
        None => Vec::new(),
    };
    chosen.reverse();
    if chosen.is_empty() { jobs.pop_front().into_iter().collect() } else { chosen }
}

/// Where the tokens are that go together; none where there are too few.
fn places(jobs: &VecDeque<Job>, length: usize) -> Vec<usize> {
    let fits = |job: &Job| company_of(job) == Some(length) && !job.reply.is_closed();
    let places: Vec<usize> = (0..jobs.len().min(LOOKED_AT)).filter(|place| fits(&jobs[*place])).take(LANES).collect();
    if places.len() < WORTH_IT { Vec::new() } else { places }
}

/// The length of the keys that share the lanes with this one's; `None` where it is signed alone.
fn company_of(job: &Job) -> Option<usize> {
    let key: &SigningKey = job.token.key();
    let length = key.signature_length();
    (key.algorithm() == Algorithm::Rs256 && Lanes::have_room_for(length)).then_some(length)
}

impl Together {
    /// Signatures that were checked; `None` in place of what is to be signed alone.
    pub(super) fn sign(&self, tokens: &[&UnsignedToken]) -> Vec<Option<Vec<u8>>> {
        match self {
            Self::CryptoMb(lanes) => sign(lanes, tokens),
            #[cfg(test)]
            Self::Pretended(pretended) => pretended.sign(tokens),
        }
    }
}

fn sign(lanes: &Lanes, tokens: &[&UnsignedToken]) -> Vec<Option<Vec<u8>>> {
    let (places, jobs): (Vec<usize>, Vec<LaneJob<'_>>) =
        tokens.iter().enumerate().filter_map(|(place, token)| Some((place, lane_job(token)?))).unzip();
    let mut signed = vec![None; tokens.len()];
    for (place, signature) in places.into_iter().zip(lanes.sign(&jobs)) {
        signed[place] = signature.map(|signature| signature.as_bytes().to_vec());
    }
    signed
}

fn lane_job(token: &UnsignedToken) -> Option<LaneJob<'_>> {
    Some(LaneJob { key: token.key().rsa_parts()?, message: token.signing_input() })
}
