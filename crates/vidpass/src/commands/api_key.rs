//! `vidpass api-key`

use clap::{Args, Subcommand};
use serde_json::json;

use super::{api_token, store};
use crate::cli::OfAccount;
use crate::clock;
use crate::output::print_one;

/// API keys: an email address and a secret, the older way to authenticate.
#[derive(Debug, Subcommand)]
pub(crate) enum ApiKey {
    /// Make an API key; its text is shown once
    Create(Create),
    /// List an account's API tokens and keys
    List(api_token::List),
    /// Delete an API key; callers that use it are refused at once
    Delete(api_token::Delete),
}

/// Make an API key.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// The address that callers send as X-Auth-Email
    #[arg(long)]
    email: String,
    #[command(flatten)]
    of: OfAccount,
}

impl ApiKey {
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
        let new = store.create_api_key(&account, &self.email, None, clock::now()).await?;
        let answer = json!({
            "id": new.id.as_str(),
            "account": account.as_str(),
            "email": self.email,
            "key": new.secret.expose(),
        });
        print_one(self.of.common.json, &answer);
        if !self.of.common.json {
            eprintln!("\nThis text is not kept and cannot be shown again. Send it as X-Auth-Key, with X-Auth-Email.");
        }
        Ok(())
    }
}
