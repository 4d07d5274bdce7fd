//! `vidpass video`

use std::str::FromStr;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use vidpass_store::{Deletion, NewVideo, VideoQuery};
use vidpass_token::{AccountId, AllowedOrigin, OriginName, VideoId, VideoPolicy};

use super::store;
use crate::cli::OfAccount;
use crate::output::{print_list, print_one};
use crate::{clock, span};

/// Videos and their settings.
#[derive(Debug, Subcommand)]
pub(crate) enum Video {
    /// Register a video, whose files lie below ACCOUNT_ID/UID in the media folder, or in another origin
    Create(Create),
    /// List an account's videos
    List(List),
    /// Show one video
    Show(One),
    /// Change a video's settings
    Edit(Edit),
    /// Delete a video from the catalogue; its files stay
    Delete(One),
}

/// Register a video.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Its uid, up to 32 letters, digits, `_` and `-` [default: 32 random hex digits]
    #[arg(long)]
    uid: Option<VideoId>,
    /// Its name, kept as `meta.name`
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    of: OfAccount,
}

/// A video's switches.
#[derive(Args, Debug)]
pub(crate) struct Settings {
    /// Whether it needs a token [default for a new video: true]
    #[arg(long, value_name = "BOOL")]
    require_signed_urls: Option<bool>,
    /// A site that may embed it, such as example.com or *.example.com; may be repeated
    #[arg(long = "allowed-origin", value_name = "HOST")]
    allowed_origins: Option<Vec<AllowedOrigin>>,
    /// Whether its MP4 is offered for download [default for a new video: false]
    #[arg(long, value_name = "BOOL")]
    downloads: Option<bool>,
    /// Decide and record each request, but refuse none whose video is certain; `account` is as the account says
    #[arg(long, value_name = "BOOL|account")]
    dry_run: Option<OrAccount<bool>>,
    /// The origin of the configuration that has the files; `account` is as the account says
    #[arg(long, value_name = "NAME|account")]
    origin: Option<OrAccount<OriginName>>,
}

/// A setting of a video's own, or the word that it has none.
#[derive(Clone, Debug)]
struct OrAccount<T>(Option<T>);

impl<T: FromStr> FromStr for OrAccount<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        Ok(Self(if text == "account" { None } else { Some(text.parse()?) }))
    }
}

/// List an account's videos.
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    of: OfAccount,
}

/// One video.
#[derive(Args, Debug)]
pub(crate) struct One {
    /// Its uid
    uid: VideoId,
    #[command(flatten)]
    of: OfAccount,
}

/// Change a video's settings.
#[derive(Args, Debug)]
pub(crate) struct Edit {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    video: One,
}

impl Video {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run().await,
            Self::List(list) => list.run().await,
            Self::Show(one) => one.show().await,
            Self::Edit(edit) => edit.run().await,
            Self::Delete(one) => one.delete().await,
        }
    }
}

impl Settings {
    /// The origin that is to have the files, where one is named.
    fn named_origin(&self) -> Option<&OriginName> {
        self.origin.as_ref().and_then(|OrAccount(origin)| origin.as_ref())
    }

    fn put_over(self, policy: &mut VideoPolicy) {
        policy.require_signed_urls = self.require_signed_urls.unwrap_or(policy.require_signed_urls);
        policy.downloads = self.downloads.unwrap_or(policy.downloads);
        if let Some(origins) = self.allowed_origins {
            policy.allowed_origins = origins;
        }
        if let Some(OrAccount(dry_run)) = self.dry_run {
            policy.dry_run = dry_run;
        }
        if let Some(OrAccount(origin)) = self.origin {
            policy.origin = origin;
        }
    }
}

impl Create {
    async fn run(self) -> anyhow::Result<()> {
        let (store, account) = store::open_account_knowing(&self.of, self.settings.named_origin()).await?;
        let mut new = NewVideo::private(self.uid);
        new.require_signed_urls = self.settings.require_signed_urls.unwrap_or(new.require_signed_urls);
        new.allowed_origins = self.settings.allowed_origins.unwrap_or_default();
        new.downloads = self.settings.downloads.unwrap_or(new.downloads);
        new.dry_run = self.settings.dry_run.and_then(|OrAccount(dry_run)| dry_run);
        new.origin = self.settings.origin.and_then(|OrAccount(origin)| origin);
        if let Some(name) = self.name {
            new.meta.insert("name".to_owned(), name.into());
        }
        print_one(self.of.common.json, &shown(&store.register_video(&account, new, clock::now()).await?));
        Ok(())
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let (store, account) = store::open_account(&self.of).await?;
        let videos = store.list_videos(&account, &VideoQuery::default()).await?;
        print_list(self.of.common.json, &videos.iter().map(shown).collect::<Vec<_>>());
        Ok(())
    }
}

impl One {
    async fn show(self) -> anyhow::Result<()> {
        let (store, account) = store::open_account(&self.of).await?;
        let found = store.video(&account, &self.uid).await?;
        print_one(self.of.common.json, &shown(&found.with_context(|| unknown(&account, &self.uid))?));
        Ok(())
    }

    async fn delete(self) -> anyhow::Result<()> {
        let (store, account) = store::open_account(&self.of).await?;
        match store.delete_video(&account, &self.uid, clock::now()).await? {
            Deletion::Deleted | Deletion::AlreadyDeleted => {
                print_one(self.of.common.json, &json!({ "deleted": self.uid.as_str() }));
                Ok(())
            }
            Deletion::Unknown => bail!("{}", unknown(&account, &self.uid)),
        }
    }
}

impl Edit {
    async fn run(self) -> anyhow::Result<()> {
        let One { uid, of } = self.video;
        let (store, account) = store::open_account_knowing(&of, self.settings.named_origin()).await?;
        let edited =
            store.update_video(&account, &uid, clock::now(), |video| self.settings.put_over(&mut video.policy)).await?;
        print_one(of.common.json, &shown(&edited.with_context(|| unknown(&account, &uid))?));
        Ok(())
    }
}

fn unknown(account: &AccountId, uid: &VideoId) -> String {
    format!("account `{account}` has no video `{uid}`; see `vidpass video list`")
}

fn shown(video: &vidpass_store::Video) -> Value {
    let origins: Vec<String> = video.policy.allowed_origins.iter().map(ToString::to_string).collect();
    json!({
        "uid": video.uid.as_str(),
        "name": video.meta.get("name"),
        "require_signed_urls": video.policy.require_signed_urls,
        "allowed_origins": origins,
        "downloads": video.policy.downloads,
        "dry_run": video.policy.dry_run,
        "origin": video.policy.origin.as_ref().map(OriginName::as_str),
        "scheduled_deletion": video.scheduled_deletion.map(span::date),
        "created": span::date(video.created),
    })
}
