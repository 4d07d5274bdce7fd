//! The database, as the configuration names it.

use anyhow::Context as _;
use vidpass_store::{MasterKeys, Store};
use vidpass_token::{AccountId, OriginName};

use super::user;
use crate::cli::OfAccount;
use crate::config::{self, Config, MasterKeySource, Place};
use crate::master_key;

/// Opens the database of the configuration, for changes of whoever types.
pub(crate) async fn open(place: &Place) -> anyhow::Result<Store> {
    open_knowing(place, None).await
}

/// Opens the database, where the configuration has `origin`, if one is named.
pub(crate) async fn open_knowing(place: &Place, origin: Option<&OriginName>) -> anyhow::Result<Store> {
    let config = config::read(&place.clone().into())?;
    origin.map_or(Ok(()), |origin| config.require_origin(origin))?;
    Ok(open_for(&config).await?.by(user::actor()))
}

/// Opens the database of a configuration that was read, for changes of the server's own.
pub(crate) async fn open_for(config: &Config) -> anyhow::Result<Store> {
    open_with(config, &master_key::read(&config.master_key)?).await
}

/// Opens the database of a configuration with these master keys. Where they are from a file, that is read again when somebody
/// has replaced them.
pub(crate) async fn open_with(config: &Config, keys: &MasterKeys) -> anyhow::Result<Store> {
    let store = Store::open(&config.database, keys).await.context("the database cannot be opened")?;
    if let MasterKeySource::File(file) = &config.master_key {
        let file = file.clone();
        let read = move || master_key::read_file(&file);
        let failed = |error: &anyhow::Error| tracing::error!("the master keys cannot be read again: {error:#}");
        store.read_master_keys_again_with(move || read().inspect_err(failed).ok());
    }
    Ok(store)
}

/// Opens the database, and finds the account that was named, or the only one, with the configuration that says where.
pub(crate) async fn open_account_and_config(of: &OfAccount) -> anyhow::Result<(Store, AccountId, Config)> {
    let config = config::read(&of.common.place.clone().into())?;
    let store = open_for(&config).await?.by(user::actor());
    let account = account(&store, of.account.as_ref()).await?;
    Ok((store, account, config))
}

/// Opens the database, and finds the account that was named, or the only one.
pub(crate) async fn open_account(of: &OfAccount) -> anyhow::Result<(Store, AccountId)> {
    open_account_knowing(of, None).await
}

/// [`open_account`], where the configuration has `origin`, if one is named.
pub(crate) async fn open_account_knowing(
    of: &OfAccount,
    origin: Option<&OriginName>,
) -> anyhow::Result<(Store, AccountId)> {
    let store = open_knowing(&of.common.place, origin).await?;
    let account = account(&store, of.account.as_ref()).await?;
    Ok((store, account))
}

async fn account(store: &Store, named: Option<&AccountId>) -> anyhow::Result<AccountId> {
    if let Some(id) = named {
        let known = store.account(id).await?;
        return Ok(known.with_context(|| format!("there is no account `{id}`; see `vidpass account list`"))?.id);
    }
    let mut accounts = store.list_accounts().await?;
    match accounts.len() {
        0 => anyhow::bail!("there is no account yet; run: vidpass account create --name NAME"),
        1 => Ok(accounts.remove(0).id),
        several => {
            anyhow::bail!("there are {several} accounts; say which with --account ID (see `vidpass account list`)")
        }
    }
}
