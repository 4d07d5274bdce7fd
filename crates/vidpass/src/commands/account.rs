//! `vidpass account`

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use vidpass_store::{Deletion, NewAccount};
use vidpass_token::{AccountId, OriginName};

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
    /// Change what holds for an account's videos, where a video does not say otherwise
    Edit(Edit),
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

/// Change what holds for an account's videos.
#[derive(Args, Debug)]
pub(crate) struct Edit {
    /// A name for people
    #[arg(long)]
    name: Option<String>,
    /// Decide and record each request, but refuse none whose video is certain: log and metrics say whom rules would refuse
    #[arg(long, value_name = "BOOL")]
    dry_run: Option<bool>,
    /// The origin of the configuration that has the files; `media` is the folder of that name
    #[arg(long, value_name = "NAME")]
    origin: Option<OriginName>,
    #[command(flatten)]
    account: One,
}

impl Edit {
    async fn run(self) -> anyhow::Result<()> {
        let One { id, common } = self.account;
        let store = store::open_knowing(&common.place, self.origin.as_ref()).await?;
        let edited = store.update_account(&id, clock::now(), |account| {
            account.name = self.name.unwrap_or(std::mem::take(&mut account.name));
            account.policy.dry_run = self.dry_run.unwrap_or(account.policy.dry_run);
            account.policy.origin = self.origin.or(account.policy.origin.take());
        });
        print_one(common.json, &shown(&edited.await?.with_context(|| unknown(&id))?));
        Ok(())
    }
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
            Self::Edit(edit) => edit.run().await?,
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
    json!({
        "id": account.id.as_str(),
        "name": account.name,
        "dry_run": account.policy.dry_run,
        "origin": account.policy.origin.as_ref().map(OriginName::as_str),
        "rotate_every": account.rotate_every.map(|every| span::length(every.get())),
        "created": span::date(account.created),
    })
}
