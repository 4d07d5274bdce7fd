//! `vidpass master-key`

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use vidpass_store::{Fingerprint, MasterKey as Key, MasterKeys, Resealing, SealedValues};

use super::store;
use crate::cli::Common;
use crate::config::{self, Config, MasterKeySource};
use crate::master_key::{self, KeyFile};
use crate::output::{print_list, print_one};

/// How many values are sealed anew in one transaction: other writers wait for a moment only.
const AT_ONCE: u32 = 100;

/// The master key, which seals private keys.
#[derive(Debug, Subcommand)]
pub(crate) enum MasterKey {
    /// Show how many values are sealed with which master key
    Status(OfDatabase),
    /// Add a key to the file that seals nothing yet, so that every server has it before the rotation
    Add(OfDatabase),
    /// Seal all values with a new key, or with the one that was added. Servers may run meanwhile
    #[command(after_help = "\
If it is interrupted, run it again: it goes on where it was. Afterwards the file still has the old key, which opens older
backups; keep it with them, and `prune` the file before the next rotation.
With VIDPASS_MASTER_KEY or a file descriptor, put the new key before the old one there: all is sealed with the first.")]
    Rotate(OfDatabase),
    /// Drop keys from the file that seal nothing any more
    Prune(OfDatabase),
}

/// What works on the database and its master key.
#[derive(Args, Debug)]
pub(crate) struct OfDatabase {
    #[command(flatten)]
    common: Common,
}

impl MasterKey {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Status(of) => status(&of.common).await,
            Self::Add(of) => add(&of.common),
            Self::Rotate(of) => rotate(&of.common).await,
            Self::Prune(of) => prune(&of.common).await,
        }
    }
}

fn configured(common: &Common) -> anyhow::Result<Config> {
    Ok(config::read(&common.place.clone().into())?)
}

async fn status(common: &Common) -> anyhow::Result<()> {
    let config = configured(common)?;
    let keys = master_key::read(&config.master_key)?;
    let store = store::open_with(&config, &keys).await?;
    let values = store.sealed_values().await?;
    let at_hand = keys.all().map(Key::fingerprint);
    let gone = values.under.keys().copied().filter(|key| !keys.has(*key));
    let rows: Vec<Value> = at_hand.chain(gone).map(|key| row(key, &keys, &values)).collect();
    print_list(common.json, &rows);
    Ok(())
}

fn row(key: Fingerprint, keys: &MasterKeys, values: &SealedValues) -> Value {
    let is_next = keys.next().is_some_and(|next| next.fingerprint() == key);
    let place = match key {
        _ if key == keys.first().fingerprint() => "first",
        _ if is_next => "next",
        _ if keys.has(key) => "former",
        _ => "missing",
    };
    json!({
        "fingerprint": key.to_string(),
        "place": place,
        "values": values.under.get(&key).copied().unwrap_or_default(),
        "seals": key == values.sealing,
    })
}

fn add(common: &Common) -> anyhow::Result<()> {
    let config = configured(common)?;
    let file = KeyFile::lock(source_file(&config)?)?;
    let keys = file.read()?;
    let next = match keys.next() {
        Some(next) => next.clone(),
        None => {
            let next = other_key(&keys)?;
            file.replace(&keys.with_next(next.clone()))?;
            next
        }
    };
    print_one(common.json, &json!({ "next": next.fingerprint().to_string() }));
    Ok(())
}

async fn rotate(common: &Common) -> anyhow::Result<()> {
    let config = configured(common)?;
    let (keys, _locked) = match &config.master_key {
        MasterKeySource::File(file) => {
            let file = KeyFile::lock(file)?;
            (rotated_file(&config, &file).await?, Some(file))
        }
        MasterKeySource::Inline(_) | MasterKeySource::Descriptor(_) => (master_key::read(&config.master_key)?, None),
    };
    let store = store::open_with(&config, &keys).await?;
    let first = keys.first().fingerprint();
    let mut sealed = 0;
    loop {
        let done =
            store.reseal(first, AT_ONCE).await.context("a value cannot be sealed anew; its key may be deleted")?;
        match done {
            Resealing::More(values) => sealed += values,
            Resealing::Done => break,
        }
    }
    let former: Vec<String> = keys.former().iter().map(|key| key.fingerprint().to_string()).collect();
    print_one(common.json, &json!({ "seals": first.to_string(), "values": sealed, "nothing_left_under": former }));
    Ok(())
}

/// What a rotation does to the file of keys before values are sealed anew.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Nothing: a rotation is under way, or it was done and the former key is still there.
    GoOn,
    /// A new key is made.
    Make,
    /// The next key becomes the first.
    Promote,
}

impl Step {
    /// `sealing` is the key that seals new values in the database.
    fn of(keys: &MasterKeys, sealing: Fingerprint) -> Self {
        let next = keys.next().map(Key::fingerprint);
        let is_first = keys.first().fingerprint() == sealing;
        match next {
            // Another machine has rotated to it.
            Some(next) if next == sealing => Self::Promote,
            _ if !is_first => Self::GoOn,
            Some(_) => Self::Promote,
            None if keys.former().is_empty() => Self::Make,
            None => Self::GoOn,
        }
    }
}

async fn rotated_file(config: &Config, file: &KeyFile) -> anyhow::Result<MasterKeys> {
    let keys = file.read()?;
    let store = store::open_with(config, &keys).await?;
    let sealing = store.sealed_values().await?.sealing;
    store.close().await;
    let keys = match Step::of(&keys, sealing) {
        Step::GoOn => return Ok(keys),
        Step::Make => {
            let first = other_key(&keys)?;
            keys.replaced_by(first)
        }
        Step::Promote => keys.promoted(),
    };
    // Servers that meet a value of the new key look here, so it must be here first.
    file.replace(&keys)?;
    Ok(keys)
}

async fn prune(common: &Common) -> anyhow::Result<()> {
    let config = configured(common)?;
    let file = KeyFile::lock(source_file(&config)?)?;
    let keys = file.read()?;
    let values = store::open_with(&config, &keys).await?.sealed_values().await?;
    require_unused(&keys, &values)?;
    let dropped: Vec<String> = keys.former().iter().map(|key| key.fingerprint().to_string()).collect();
    if !dropped.is_empty() {
        file.replace(&keys.without_former())?;
    }
    print_one(common.json, &json!({ "dropped": dropped }));
    Ok(())
}

/// Nothing will be sealed with a former key any more once the first one seals, so what is counted then stays true.
fn require_unused(keys: &MasterKeys, values: &SealedValues) -> anyhow::Result<()> {
    let first = keys.first().fingerprint();
    ensure!(values.sealing == first, "a rotation is under way; run: vidpass master-key rotate");
    match values.under.iter().find(|(key, _)| **key != first) {
        Some((key, count)) => {
            bail!("{count} values are still sealed with the master key {key}; run: vidpass master-key rotate")
        }
        None => Ok(()),
    }
}

fn source_file(config: &Config) -> anyhow::Result<&Path> {
    match &config.master_key {
        MasterKeySource::File(file) => Ok(file),
        MasterKeySource::Inline(_) | MasterKeySource::Descriptor(_) => {
            bail!("the master key comes from the environment or a file descriptor; change it there")
        }
    }
}

/// A new key that can be told from the others.
fn other_key(keys: &MasterKeys) -> anyhow::Result<Key> {
    loop {
        let key = Key::generate()?;
        if !keys.has(key.fingerprint()) {
            return Ok(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_begins_goes_on_and_ends() {
        let [a, b, c] = [(); 3].map(|()| Key::generate().unwrap());
        let [fa, fb, fc] = [&a, &b, &c].map(Key::fingerprint);
        let begun = MasterKeys::from(&a).replaced_by(b.clone());
        check(&MasterKeys::from(&a), fa, Step::Make);
        check(&begun, fa, Step::GoOn);
        // Done, and the former key is still there: asked again, it makes no third one.
        check(&begun, fb, Step::GoOn);
        check(&begun.clone().without_former(), fb, Step::Make);
        let added = MasterKeys::from(&a).with_next(b);
        check(&added, fa, Step::Promote);
        // Another machine was first; its key must not be replaced by the one that it replaced.
        check(&added, fb, Step::Promote);
        // A key that was added meanwhile has its turn when the rotation is done.
        check(&begun.clone().with_next(c.clone()), fa, Step::GoOn);
        check(&begun.clone().with_next(c.clone()), fb, Step::Promote);
        check(&begun.with_next(c), fc, Step::Promote);
    }

    #[track_caller]
    fn check(keys: &MasterKeys, sealing: Fingerprint, expected: Step) {
        assert_eq!(Step::of(keys, sealing), expected);
    }
}
