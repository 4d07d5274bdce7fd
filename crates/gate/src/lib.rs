//! The gate: decides each viewer's request, then serves the bytes.
//!
//! One request goes from [`GateService::handle`] to a [`Judge`], which reads the path
//! ([`MediaPath`](vidpass_token::MediaPath): what is asked for, and with which credential), finds out who asks
//! ([`ViewerResolver`]) and has a [`Gate`] decide; and with the `Permit` to the one of the [`Origins`] that has the video's
//! files. A proxy that asks goes the same way through [`ForwardAuth`]. Every function that answers with bytes of video takes a
//! `&Permit`.
//!
//! Nothing here knows a private key, a database, or the configuration, and no decision is ever remembered.

mod admission;
mod asked;
mod backlog;
mod body;
mod catalogue;
mod country;
mod credential_place;
mod decide;
mod decision_id;
mod deny;
mod hash;
mod headers;
mod http1;
mod judge;
mod last_heard;
mod log;
mod manifest;
mod metrics;
mod origin;
mod request_target;
mod seen;
mod serve;
mod service;
mod viewer;

pub use admission::CutOff;
pub use body::{BodyError, GateBody};
pub use catalogue::{Catalogue, Loss};
pub use country::{CountryFileError, CountrySource, Reload};
pub use credential_place::{CredentialPlace, CredentialPlaceError, ParameterName};
pub use decide::{Gate, GateConfig};
pub use deny::Failure;
pub use http1::{Handover, PlainAnswer, PlainLimits, PlainRequest, bound_ahead, serve_plain};
pub use judge::Judge;
pub use log::AddressInLog;
pub use origin::{
    BucketName, CacheConfig, CacheError, FetchError, FolderError, KnownAs, KnownAsError, MEDIA, OriginConfig,
    OriginKind, OriginLimits, OriginUrl, OriginUrlError, Origins, OriginsConfig, OriginsError, PathTemplate,
    RegionName, S3Bucket, S3Error, S3Style, TemplateError,
};
pub use serve::{AccelPrefix, AccelPrefixError, EnvoyGrpc, ForwardAuth, Preset, ProxyJudge};
pub use service::{GateParts, GateService};
pub use viewer::{ForwardedHeader, ViewerResolver};
