//! The bars: what is measured against what, and how far it should come.

use crate::Bench;
use crate::bars::{issue, micro, peers, serve, server, verify};
use crate::contest::Figures;

/// One thing that is measured.
pub(crate) struct Bar {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) against: &'static str,
    /// In what the figures of the candidates are.
    pub(crate) unit: &'static str,
    pub(crate) want: Want,
    pub(crate) run: fn(&Bench) -> anyhow::Result<Outcome>,
}

/// How far a bar should come.
#[derive(Clone, Copy)]
pub(crate) enum Want {
    AtLeast(f64),
    AtMost(f64),
}

/// What came out.
pub(crate) enum Outcome {
    Measured(Figures),
    /// Why nothing did.
    Unavailable(String),
}

impl Outcome {
    pub(crate) fn unavailable(why: impl Into<String>) -> Self {
        Self::Unavailable(why.into())
    }
}

impl Want {
    pub(crate) fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(least) => ratio >= least,
            Self::AtMost(most) => ratio <= most,
        }
    }

    pub(crate) fn bound(self) -> f64 {
        match self {
            Self::AtLeast(bound) | Self::AtMost(bound) => bound,
        }
    }
}

impl std::fmt::Display for Want {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, ">={least}"),
            Self::AtMost(most) => write!(f, "<={most}"),
        }
    }
}

const ANSWERS: &str = "answers per CPU-second";
const NANOSECONDS: &str = "ns of CPU";

/// All of them, in the order in which they run.
pub(crate) const BARS: &[Bar] = &[
    Bar {
        name: "verify_hot",
        what: "forward-auth, 256 tokens that repeat, five rules with the country",
        against: "nginx secure_link (MD5) answering 204 itself",
        unit: ANSWERS,
        want: Want::AtLeast(1.0),
        run: verify::hot,
    },
    Bar {
        name: "verify_cold",
        what: "forward-auth, every token seen once",
        against: "raw RSA verifies, and the same server answering for a public video (harmonic)",
        unit: ANSWERS,
        want: Want::AtLeast(0.90),
        run: verify::cold,
    },
    Bar {
        name: "forward_auth",
        what: "nginx auth_request to us",
        against: "nginx auth_request to an nginx that answers a bare 204",
        unit: ANSWERS,
        want: Want::AtLeast(0.95),
        run: verify::forward_auth,
    },
    Bar {
        name: "nginx_segment",
        what: "nginx auth_request to us, then a segment of 1 MiB",
        against: "the same nginx with secure_link",
        unit: ANSWERS,
        want: Want::AtLeast(0.85),
        run: verify::nginx_segment,
    },
    Bar {
        name: "serve_1m",
        what: "the gate serving segments of 1 MiB, tokens that repeat",
        against: "nginx without any token, its better tcp_nopush",
        unit: ANSWERS,
        want: Want::AtLeast(1.0),
        run: serve::one_mebibyte,
    },
    Bar {
        name: "serve_6m",
        what: "the gate serving segments of 6 MiB, tokens that repeat",
        against: "nginx without any token, its better tcp_nopush",
        unit: ANSWERS,
        want: Want::AtLeast(1.0),
        run: serve::six_mebibytes,
    },
    Bar {
        name: "serve_range",
        what: "the gate serving 64 KiB ranges of a 100 MB MP4",
        against: "nginx without any token, its better tcp_nopush",
        unit: ANSWERS,
        want: Want::AtLeast(1.0),
        run: serve::ranges,
    },
    Bar {
        name: "serve_tls",
        what: "segments of 1 MiB over HTTPS",
        against: "nginx over HTTPS",
        unit: ANSWERS,
        want: Want::AtLeast(1.5),
        run: serve::tls,
    },
    Bar {
        name: "playlist",
        what: "the gate serving media playlists of 4 KB",
        against: "nginx with secure_link",
        unit: ANSWERS,
        want: Want::AtLeast(1.0),
        run: serve::playlist,
    },
    Bar {
        name: "memory",
        what: "memory with 10,000 idle kept connections",
        against: "nginx, the same",
        unit: "KiB",
        want: Want::AtMost(3.0),
        run: server::memory,
    },
    Bar {
        name: "start",
        what: "from process start to the first answer",
        against: "nothing: milliseconds",
        unit: "ms",
        want: Want::AtMost(150.0),
        run: server::start,
    },
    Bar {
        name: "issue",
        what: "token endpoint over HTTP, RS256-2048, one at a time",
        against: "raw RSA signs of the same library on that core",
        unit: ANSWERS,
        want: Want::AtLeast(0.94),
        run: issue::against_raw,
    },
    Bar {
        name: "issue_batched",
        what: "token endpoint, 32 connections, signing eight at once",
        against: "the same server with that off",
        unit: ANSWERS,
        want: Want::AtLeast(3.0),
        run: issue::batched,
    },
    Bar {
        name: "issue_low_load",
        what: "median latency of one connection, batching on",
        against: "batching off",
        unit: "µs",
        want: Want::AtMost(1.05),
        run: issue::low_load,
    },
    Bar {
        name: "issue_peer",
        what: "token endpoint, 32 connections, as fast as this machine signs",
        against: "the best of Node jose, Go golang-jwt, PyJWT behind their HTTP servers",
        unit: ANSWERS,
        want: Want::AtLeast(3.5),
        run: peers::issue,
    },
    Bar {
        name: "issue_es256",
        what: "token endpoint with an ES256 key",
        against: "our RS256, one at a time",
        unit: ANSWERS,
        want: Want::AtLeast(8.0),
        run: issue::es256,
    },
    Bar {
        name: "sign_local",
        what: "the token crate, sign and serialise",
        against: "raw RSA sign",
        unit: "per CPU-second",
        want: Want::AtLeast(0.97),
        run: micro::sign_local,
    },
    Bar {
        name: "verify_peer",
        what: "forward-auth, 256 tokens that repeat, five rules with the country",
        against: "the best of Envoy jwt_authn with its cache, HAProxy jwt_verify, njs, ATS uri_signing",
        unit: ANSWERS,
        want: Want::AtLeast(4.0),
        run: peers::verify,
    },
    Bar {
        name: "rules",
        what: "a decision with the verified token in hand, five rules, country",
        against: "nothing: nanoseconds",
        unit: NANOSECONDS,
        want: Want::AtMost(400.0),
        run: micro::rules,
    },
    Bar {
        name: "scale_rules",
        what: "a whole forward-auth answer with five rules",
        against: "with one rule",
        unit: NANOSECONDS,
        want: Want::AtMost(1.2),
        run: micro::scale_rules,
    },
    Bar {
        name: "scale_keys",
        what: "a whole forward-auth answer with 1,000 keys",
        against: "with one key",
        unit: NANOSECONDS,
        want: Want::AtMost(1.2),
        run: micro::scale_keys,
    },
    Bar {
        name: "scale_revocations",
        what: "a whole forward-auth answer with 1,000,000 revocations",
        against: "with none",
        unit: NANOSECONDS,
        want: Want::AtMost(1.2),
        run: micro::scale_revocations,
    },
];
