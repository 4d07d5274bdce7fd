//! `vidpass account`

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use vidpass_store::{Deletion, NewAccount};
use vidpass_token::AccountId;

use super::store;
use crate::cli::Common;
use crate::output::{print_list, print_one};
use crate::{clock, span};

/// Accounts, which own keys and videos.
#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// Make an account
    Create(Create),
    /// List all accounts
    List(List),
    /// Show one account
    Show(One),
    /// Delete an account that has no live keys or videos
    Delete(One),
}

/// Make an account.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// A name for people
    #[arg(long)]
    name: String,
    /// The account's id, up to 32 letters, digits, `_` and `-` [default: 32 random hex digits]
    #[arg(long)]
    id: Option<AccountId>,
    #[command(flatten)]
    common: Common,
}

/// List all accounts.
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    common: Common,
}

/// One account.
#[derive(Args, Debug)]
pub(crate) struct One {
    /// The account's id
    id: AccountId,
    #[command(flatten)]
    common: Common,
}

impl Account {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => {
                let store = store::open(&create.common.place).await?;
                let new = NewAccount { id: create.id, name: create.name };
                print_one(create.common.json, &shown(&store.create_account(&new, clock::now()).await?));
            }
            Self::List(list) => {
                let accounts = store::open(&list.common.place).await?.list_accounts().await?;
                print_list(list.common.json, &accounts.iter().map(shown).collect::<Vec<_>>());
            }
            Self::Show(one) => {
                let found = store::open(&one.common.place).await?.account(&one.id).await?;
                print_one(one.common.json, &shown(&found.with_context(|| unknown(&one.id))?));
            }
            Self::Delete(one) => {
                let store = store::open(&one.common.place).await?;
                if store.delete_account(&one.id, clock::now()).await? == Deletion::Unknown {
                    bail!("{}", unknown(&one.id));
                }
                print_one(one.common.json, &json!({ "deleted": one.id.as_str() }));
            }
        }
        Ok(())
    }
}

fn unknown(id: &AccountId) -> String {
    format!("there is no account `{id}`; see `vidpass account list`")
}

fn shown(account: &vidpass_store::Account) -> Value {
    json!({ "id": account.id.as_str(), "name": account.name, "created": span::date(account.created) })
}
