//! `vidpass api-token`

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use vidpass_store::{Credential, CredentialId, CredentialKind, NewApiToken, Scope, Scopes};

use super::store;
use crate::cli::OfAccount;
use crate::output::{print_list, print_one};
use crate::span::Moment;
use crate::{clock, span};

/// API tokens, with which callers of the API authenticate.
#[derive(Debug, Subcommand)]
pub(crate) enum ApiToken {
    /// Make an API token; its text is shown once
    Create(Create),
    /// Make an API token that takes the place of another, which goes on for a while; its text is shown once
    Rotate(Rotate),
    /// List an account's API tokens and keys
    List(List),
    /// Delete an API token; callers that use it are refused at once
    Delete(Delete),
}

/// Make an API token.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// What it is for
    #[arg(long)]
    name: String,
    /// What it may do, such as `tokens:issue`; may be repeated, or a list with commas [default: everything]
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    scope: Vec<Scope>,
    /// When it ends: a time from now (90d), a date, or Unix seconds [default: never]
    #[arg(long, value_name = "TIME")]
    expires: Option<Moment>,
    #[command(flatten)]
    of: OfAccount,
}

/// Make an API token that takes the place of another: of the same name and scopes, for as long as that was made for.
#[derive(Args, Debug)]
pub(crate) struct Rotate {
    /// The id of the API token, as `list` shows it
    id: CredentialId,
    /// For how long it goes on beside the new one; 0s ends it at once
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = span::parse_or_zero)]
    overlap: Duration,
    #[command(flatten)]
    of: OfAccount,
}

/// List an account's credentials.
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    of: OfAccount,
}

/// Delete a credential.
#[derive(Args, Debug)]
pub(crate) struct Delete {
    /// Its id, as `list` shows it
    id: CredentialId,
    #[command(flatten)]
    of: OfAccount,
}

impl ApiToken {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run().await,
            Self::Rotate(rotate) => rotate.run().await,
            Self::List(list) => list.run().await,
            Self::Delete(delete) => delete.run().await,
        }
    }
}

impl Create {
    async fn run(self) -> anyhow::Result<()> {
        let now = clock::now();
        let expires = self.expires.map(|expires| expires.resolve(now));
        ensure!(expires.is_none_or(|expires| expires > now), "--expires must be in the future");
        let scopes = if self.scope.is_empty() { Scopes::All } else { Scopes::Only(self.scope.into_iter().collect()) };
        let (store, account) = store::open_account(&self.of).await?;
        let token = NewApiToken { name: self.name, scopes, expires };
        let new = store.create_api_token(&account, &token, now).await?;
        let answer = json!({
            "id": new.id.as_str(),
            "account": account.as_str(),
            "scopes": shown_scopes(&token.scopes),
            "expires": expires.map(span::date),
            "token": new.secret.expose(),
        });
        print_secret(self.of.common.json, &answer);
        Ok(())
    }
}

impl Rotate {
    async fn run(self) -> anyhow::Result<()> {
        let (store, account) = store::open_account(&self.of).await?;
        let rotated = store.rotate_api_token(&account, &self.id, self.overlap, clock::now()).await?;
        let rotated = rotated.with_context(|| {
            format!("account `{account}` has no API token `{}`; see `vidpass api-token list`", self.id)
        })?;
        let answer = json!({
            "id": rotated.new.id.as_str(),
            "account": account.as_str(),
            "expires": rotated.new_expires.map(span::date),
            "replaces": self.id.as_str(),
            "replaced_until": span::date(rotated.old_expires),
            "token": rotated.new.secret.expose(),
        });
        print_secret(self.of.common.json, &answer);
        Ok(())
    }
}

fn print_secret(json: bool, answer: &Value) {
    print_one(json, answer);
    if !json {
        eprintln!("\nThis text is not kept and cannot be shown again. Send it as: Authorization: Bearer TOKEN");
    }
}

impl List {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (store, account) = store::open_account(&self.of).await?;
        let credentials = store.list_credentials(&account).await?;
        print_list(self.of.common.json, &credentials.iter().map(shown).collect::<Vec<_>>());
        Ok(())
    }
}

impl Delete {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (store, account) = store::open_account(&self.of).await?;
        if !store.delete_credential(&account, &self.id, clock::now()).await? {
            bail!("account `{account}` has no credential `{}`; see `vidpass api-token list`", self.id);
        }
        print_one(self.of.common.json, &json!({ "deleted": self.id.as_str() }));
        Ok(())
    }
}

fn shown(credential: &Credential) -> Value {
    let kind = match credential.kind {
        CredentialKind::ApiToken => "api-token",
        CredentialKind::ApiKey => "api-key",
    };
    json!({
        "id": credential.id.as_str(),
        "kind": kind,
        "name": credential.name,
        "email": credential.email,
        "scopes": shown_scopes(&credential.scopes),
        "created": span::date(credential.created),
        "expires": credential.expires.map(span::date),
        "last_used": credential.last_used.map(span::date),
        "replaced_by": credential.replaced_by.as_ref().map(CredentialId::as_str),
    })
}

/// The word `all`, or a list.
fn shown_scopes(scopes: &Scopes) -> Value {
    scopes.names().map_or_else(|| json!("all"), |names| json!(names))
}
