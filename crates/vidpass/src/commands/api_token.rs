//! `vidpass api-token`

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use vidpass_store::{Credential, CredentialId, CredentialKind};

use super::store;
use crate::cli::OfAccount;
use crate::output::{print_list, print_one};
use crate::{clock, span};

/// API tokens, with which callers of the API authenticate.
#[derive(Debug, Subcommand)]
pub(crate) enum ApiToken {
    /// Make an API token; its text is shown once
    Create(Create),
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
            Self::List(list) => list.run().await,
            Self::Delete(delete) => delete.run().await,
        }
    }
}

impl Create {
    async fn run(self) -> anyhow::Result<()> {
        let (store, account) = store::open_account(&self.of).await?;
        let new = store.create_api_token(&account, &self.name, clock::now()).await?;
        let answer = json!({ "id": new.id.as_str(), "account": account.as_str(), "token": new.secret.expose() });
        print_one(self.of.common.json, &answer);
        if !self.of.common.json {
            eprintln!("\nThis text is not kept and cannot be shown again. Send it as: Authorization: Bearer TOKEN");
        }
        Ok(())
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
        if !store.delete_credential(&account, &self.id).await? {
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
        "created": span::date(credential.created),
        "last_used": credential.last_used.map(span::date),
    })
}
