//! `vidpass gate-credential`

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;
use vidpass_store::CredentialId;

use super::store;
use crate::cli::Common;
use crate::output::{print_list, print_one};
use crate::{clock, span};

/// Gate credentials, with which gates without a database ask an issuer.
#[derive(Debug, Subcommand)]
pub(crate) enum GateCredential {
    /// Make a gate credential; its text is shown once
    Create(Create),
    /// List all gate credentials
    List(List),
    /// Delete a gate credential; gates that use it are told nothing more
    Delete(Delete),
}

/// Make a gate credential.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Which gate it is for
    #[arg(long)]
    name: String,
    #[command(flatten)]
    common: Common,
}

/// List all gate credentials.
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    common: Common,
}

/// Delete a gate credential.
#[derive(Args, Debug)]
pub(crate) struct Delete {
    /// Its id, as `list` shows it
    id: CredentialId,
    #[command(flatten)]
    common: Common,
}

impl GateCredential {
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
        let store = store::open(&self.common.place).await?;
        let (made, secret) = store.create_gate_credential(&self.name, clock::now()).await?;
        print_one(self.common.json, &json!({ "id": made.id.as_str(), "credential": secret.expose() }));
        if !self.common.json {
            eprintln!(
                "\nThis text is not kept and cannot be shown again. Put it into the gate's feed.credential_file."
            );
        }
        Ok(())
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let all = store::open(&self.common.place).await?.list_gate_credentials().await?;
        let shown = all
            .iter()
            .map(|one| json!({ "id": one.id.as_str(), "name": one.name, "created": span::date(one.created) }));
        print_list(self.common.json, &shown.collect::<Vec<_>>());
        Ok(())
    }
}

impl Delete {
    async fn run(self) -> anyhow::Result<()> {
        let store = store::open(&self.common.place).await?;
        if !store.delete_gate_credential(&self.id, clock::now()).await? {
            bail!("there is no gate credential `{}`; see `vidpass gate-credential list`", self.id);
        }
        print_one(self.common.json, &json!({ "deleted": self.id.as_str() }));
        Ok(())
    }
}
