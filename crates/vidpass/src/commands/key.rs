//! `vidpass key`

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use vidpass_api::Rotation;
use vidpass_store::{Deletion, Occasion, RotateEvery, SigningKeyRecord};
use vidpass_token::{AccountId, Algorithm, KeyId, SigningKey, UnixTime};

use super::{key_file, store};
use crate::cli::OfAccount;
use crate::output::{print_list, print_one};
use crate::{clock, master_key, span};

/// Signing keys, which sign video tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a signing key; its private part is given out once and not kept
    Create(Create),
    /// Take in the public half of a key that you have: its private half never leaves you
    Import(Import),
    /// Make a new managed key, which takes the place of the one that signs as soon as every gate knows it
    Rotate(Rotate),
    /// List an account's signing keys
    List(List),
    /// Show one signing key and its public part
    Show(One),
    /// Delete a signing key: every token that it signed is refused from then on
    Delete(One),
}

/// Make a signing key.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Write the private key as PEM to this new file, readable by you alone, instead of printing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What it signs with: RS256, ES256 or EdDSA. Cloudflare Stream signs with RS256; the others make shorter tokens, and
    /// sign much faster
    #[arg(long, value_name = "ALG", default_value_t = Algorithm::Rs256)]
    alg: Algorithm,
    #[command(flatten)]
    of: OfAccount,
}

/// Take in a key.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// The key: PEM or JWK, public or private. Of a private key only the public half is kept
    file: PathBuf,
    /// The key's id, the `kid` of its tokens [default: the `kid` of a JWK, or a random one]
    #[arg(long, value_name = "KID")]
    kid: Option<KeyId>,
    #[command(flatten)]
    of: OfAccount,
}

/// Make a new managed key.
#[derive(Args, Debug)]
#[command(after_help = "\
The tokens of the key before it stay good until they are over; a minute later it is deleted by itself.")]
pub(crate) struct Rotate {
    /// What it signs with: RS256, ES256 or EdDSA [default: the same as the newest managed key]
    #[arg(long, value_name = "ALG")]
    alg: Option<Algorithm>,
    /// Rotate so often by itself from now on, such as `30d`; `off` ends that. A key is made now only if it is due
    #[arg(long, value_name = "TIME", value_parser = every)]
    every: Option<Every>,
    #[command(flatten)]
    of: OfAccount,
}

/// A schedule; `None` is none.
#[derive(Clone, Copy, Debug)]
struct Every(Option<RotateEvery>);

fn every(text: &str) -> anyhow::Result<Every> {
    if text == "off" {
        return Ok(Every(None));
    }
    Ok(Every(Some(span::parse(text)?.try_into()?)))
}

/// List an account's signing keys.
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    of: OfAccount,
}

/// One signing key.
#[derive(Args, Debug)]
pub(crate) struct One {
    /// The key's id: the `kid` of its tokens
    id: KeyId,
    #[command(flatten)]
    of: OfAccount,
}

impl Key {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run().await,
            Self::Import(import) => import.run().await,
            Self::Rotate(rotate) => rotate.run().await,
            Self::List(list) => list.run().await,
            Self::Show(one) => one.show().await,
            Self::Delete(one) => one.delete().await,
        }
    }
}

impl Create {
    async fn run(self) -> anyhow::Result<()> {
        let (store, account) = store::open_account(&self.of).await?;
        let algorithm = self.alg;
        let key = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm, KeyId::random())).await??;
        // The file first: a key whose private part is lost would only be a riddle in the list.
        if let Some(file) = &self.out {
            master_key::write_secret(file, &key.to_pem())?;
        }
        store.add_signing_key(&account, key.public(), key.id().clone(), clock::now()).await?;
        let mut answer = json!({ "id": key.id().as_str(), "account": account.as_str(), "alg": key.algorithm().name() });
        match &self.out {
            Some(file) => answer["pem_file"] = json!(file),
            None => {
                answer["pem"] = json!(&*key.to_pem_base64());
                answer["jwk"] = json!(&*key.to_jwk_base64());
            }
        }
        print_one(self.of.common.json, &answer);
        Ok(())
    }
}

impl Import {
    async fn run(self) -> anyhow::Result<()> {
        let (given, public) = key_file::named_public_key(&self.file)?;
        if let Some(weakness) = public.weakness() {
            bail!("{}: others can sign with this key: {weakness}", self.file.display());
        }
        let (store, account) = store::open_account(&self.of).await?;
        let id = self.kid.or(given).unwrap_or_else(KeyId::random);
        store.add_signing_key(&account, &public, id.clone(), clock::now()).await?;
        let answer = json!({ "id": id.as_str(), "account": account.as_str(), "alg": public.algorithm().name() });
        print_one(self.of.common.json, &answer);
        Ok(())
    }
}

impl Rotate {
    async fn run(self) -> anyhow::Result<()> {
        let (store, account, config) = store::open_account_and_config(&self.of).await?;
        let occasion = match self.every {
            None => Occasion::Asked,
            Some(Every(every)) => {
                let edited =
                    store.update_account(&account, clock::now(), |account| account.rotate_every = every).await?;
                edited.with_context(|| format!("there is no account `{account}`"))?;
                Occasion::Scheduled
            }
        };
        let rotation = Rotation { algorithm: self.alg, occasion, learnt_after: config.tokens.learnt_after() };
        let next = vidpass_api::rotate(&store, &account, rotation, clock::now()).await?;
        let every = self.every.map(|Every(every)| every.map_or("off".to_owned(), |every| span::length(every.get())));
        let Some(next) = next else {
            let answer = json!({ "id": null, "account": account.as_str(), "every": every });
            print_one(self.of.common.json, &answer);
            return Ok(());
        };
        // Until it retires, the one before may sign tokens that live for as long as any.
        let last = next.signs_from.plus(config.tokens.max_lifetime);
        let answer = json!({
            "id": next.id.as_str(),
            "account": account.as_str(),
            "alg": next.algorithm.name(),
            "every": every,
            "signs_from": span::date(next.signs_from),
            "replaces": next.replaces.as_ref().map(KeyId::as_str),
            "replaced_safe_to_delete_from": next.replaces.as_ref().map(|_| span::date(last)),
        });
        print_one(self.of.common.json, &answer);
        Ok(())
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let (store, account) = store::open_account(&self.of).await?;
        let keys = store.list_signing_keys(&account).await?;
        let now = clock::now();
        print_list(self.of.common.json, &keys.iter().map(|key| shown(key, now)).collect::<Vec<_>>());
        Ok(())
    }
}

impl One {
    async fn show(self) -> anyhow::Result<()> {
        let (store, account) = store::open_account(&self.of).await?;
        let found = store.signing_key(&account, &self.id).await?;
        let key = found.with_context(|| unknown(&account, &self.id))?;
        let mut answer = shown(&key, clock::now());
        answer["public_key"] = json!(key.public.to_pem());
        print_one(self.of.common.json, &answer);
        Ok(())
    }

    async fn delete(self) -> anyhow::Result<()> {
        let (store, account) = store::open_account(&self.of).await?;
        match store.delete_signing_key(&account, &self.id, clock::now()).await? {
            Deletion::Deleted | Deletion::AlreadyDeleted => {
                print_one(self.of.common.json, &json!({ "deleted": self.id.as_str() }));
                Ok(())
            }
            Deletion::Unknown => bail!("{}", unknown(&account, &self.id)),
        }
    }
}

fn unknown(account: &AccountId, id: &KeyId) -> String {
    format!("account `{account}` has no signing key `{id}`; see `vidpass key list`")
}

fn shown(key: &SigningKeyRecord, now: UnixTime) -> Value {
    let is_managed = key.is_managed();
    json!({
        "id": key.id.as_str(),
        "alg": key.public.algorithm().name(),
        "managed": is_managed,
        "state": key.state(now).name(),
        "created": span::date(key.created),
        "signs_from": key.term.map(|term| span::date(term.from)),
        "last_used": key.last_used.map(span::date),
        "tokens_issued": key.tokens_issued,
        "latest_exp": key.latest_exp.map(span::date),
        "safe_to_delete_from": key.safe_to_delete_from(now).map(span::date),
        // What an account signs with a key of its own, nobody here knows; the dates are about the API's tokens.
        "signed_elsewhere": if is_managed { "nothing" } else { "unknown" },
    })
}
