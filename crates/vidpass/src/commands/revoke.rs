//! `vidpass revoke`

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use vidpass_store::{Deletion, NewRevocation, Revocation};
use vidpass_token::{
    KeyId, RevocationExtent, RevocationId, RevokedSubject, TokenId, UnixTime, VideoId, ViewerId, ViewerVersion,
};

use super::store;
use super::token::typed;
use crate::cli::OfAccount;
use crate::clock;
use crate::output::{print_list, print_one};
use crate::span::{self, Moment};

/// Take video tokens back before they are over.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  vidpass revoke token eyJhbGci… --reason 'posted in a forum'
  vidpass revoke viewer alice@example.com --viewer-version 7 --reason 'lost phone'
  vidpass revoke video intro --reason 'recut'

Servers refuse the tokens within a second. `vidpass key delete` takes back all that a key signed, and the key too.")]
pub(crate) enum Revoke {
    /// Take one token back
    Token(OneToken),
    /// Take back every token of a `jti`
    Jti(OneJti),
    /// Take a viewer's tokens back
    Viewer(OneViewer),
    /// Take back the tokens that were issued for a video so far
    Video(OneVideo),
    /// Take back every token that a key signed; the key stays
    Kid(OneKey),
    /// List an account's revocations, the newest first
    List(List),
    /// Delete a revocation: tokens that are not over are good again
    Delete(Delete),
}

/// What all of them share.
#[derive(Args, Debug)]
pub(crate) struct Why {
    /// Why, for people
    #[arg(long, value_parser = reason)]
    reason: String,
    #[command(flatten)]
    of: OfAccount,
}

/// As the API takes it.
fn reason(text: &str) -> Result<String, &'static str> {
    if (1..=256).contains(&text.chars().count()) { Ok(text.to_owned()) } else { Err("it has 1 to 256 characters") }
}

/// When a revocation goes.
#[derive(Args, Debug)]
pub(crate) struct End {
    /// When the last token that it can concern is over, and it goes: a time from now (720h), a date, or Unix seconds [default:
    /// never]
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
}

/// Take one token back.
#[derive(Args, Debug)]
pub(crate) struct OneToken {
    /// The token; - reads it from standard input
    token: String,
    #[command(flatten)]
    why: Why,
}

/// Take back every token of a `jti`.
#[derive(Args, Debug)]
pub(crate) struct OneJti {
    /// The `jti`
    id: TokenId,
    #[command(flatten)]
    end: End,
    #[command(flatten)]
    why: Why,
}

/// Take a viewer's tokens back.
#[derive(Args, Debug)]
pub(crate) struct OneViewer {
    /// The `viewer` of the tokens
    id: ViewerId,
    /// Only tokens of this `viewerVersion`, of earlier ones and of none
    #[arg(long, value_name = "NUMBER")]
    viewer_version: Option<u32>,
    #[command(flatten)]
    end: End,
    #[command(flatten)]
    why: Why,
}

/// Take a video's tokens back.
#[derive(Args, Debug)]
pub(crate) struct OneVideo {
    /// The video
    uid: VideoId,
    /// Only tokens that were issued before then, and those that do not say when [default: the end of this second]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    issued_before: Option<Moment>,
    #[command(flatten)]
    end: End,
    #[command(flatten)]
    why: Why,
}

/// Take back every token of a key.
#[derive(Args, Debug)]
pub(crate) struct OneKey {
    /// The key's id
    id: KeyId,
    #[command(flatten)]
    end: End,
    #[command(flatten)]
    why: Why,
}

/// List revocations.
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    of: OfAccount,
}

/// Delete a revocation.
#[derive(Args, Debug)]
pub(crate) struct Delete {
    /// Its id, as `list` shows it
    id: RevocationId,
    #[command(flatten)]
    of: OfAccount,
}

impl Revoke {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let now = clock::now();
        let all = RevocationExtent::All;
        let (subject, extent, end, why) = match self {
            Self::Token(one) => return one.run(now).await,
            Self::Jti(one) => (RevokedSubject::TokenId(one.id), all, one.end, one.why),
            Self::Viewer(one) => {
                let versions = one.viewer_version.map(|version| RevocationExtent::Versions(ViewerVersion(version)));
                (RevokedSubject::Viewer(one.id), versions.unwrap_or(all), one.end, one.why)
            }
            Self::Video(one) => {
                // A token of this second may be an earlier one.
                let before = one.issued_before.map_or(UnixTime(now.0 + 1), |before| before.resolve(now));
                (RevokedSubject::Video(one.uid), RevocationExtent::IssuedBefore(before), one.end, one.why)
            }
            Self::Kid(one) => (RevokedSubject::Key(one.id), all, one.end, one.why),
            Self::List(list) => return list.run().await,
            Self::Delete(delete) => return delete.run().await,
        };
        let until = end.until.map(|until| until.resolve(now));
        ensure!(until.is_none_or(|until| until > now), "--until must be in the future");
        let (store, account) = store::open_account(&why.of).await?;
        let new = NewRevocation { subject, extent, reason: why.reason, until };
        let made = store.revoke(&account, &new, now).await?;
        print_one(why.of.common.json, &shown(&made));
        Ok(())
    }
}

impl OneToken {
    async fn run(self, now: UnixTime) -> anyhow::Result<()> {
        let token = typed(&self.token)?;
        let (store, account) = store::open_account(&self.why.of).await?;
        let claims = store.verify(&account, &token).await?.context("the token need not be taken back")?;
        ensure!(claims.expires() > now, "the token is over, and need not be taken back");
        let new = NewRevocation::of_token(&claims, self.why.reason);
        let made = store.revoke(&account, &new, now).await?;
        print_one(self.why.of.common.json, &shown(&made));
        Ok(())
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let (store, account) = store::open_account(&self.of).await?;
        let revocations = store.list_revocations(&account).await?;
        print_list(self.of.common.json, &revocations.iter().map(shown).collect::<Vec<_>>());
        Ok(())
    }
}

impl Delete {
    async fn run(self) -> anyhow::Result<()> {
        let (store, account) = store::open_account(&self.of).await?;
        match store.delete_revocation(&account, &self.id, clock::now()).await? {
            Deletion::Deleted => {
                print_one(self.of.common.json, &json!({ "deleted": self.id.as_str() }));
                Ok(())
            }
            Deletion::AlreadyDeleted | Deletion::Unknown => {
                bail!("account `{account}` has no revocation `{}`; see `vidpass revoke list`", self.id)
            }
        }
    }
}

fn shown(revocation: &Revocation) -> Value {
    let extent = match revocation.extent {
        RevocationExtent::All => "all".to_owned(),
        RevocationExtent::Versions(latest) => format!("up to version {}", latest.0),
        RevocationExtent::IssuedBefore(time) => format!("issued before {}", span::date(time)),
    };
    json!({
        "id": revocation.id.as_str(),
        "kind": revocation.kind.name(),
        "subject": revocation.subject,
        "tokens": extent,
        "reason": revocation.reason,
        "created": span::date(revocation.created),
        "until": revocation.until.map(span::date),
    })
}
