//! From a line of the feed to something that a gate decides from. What cannot be told without doubt is refused, and the whole
//! answer with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vidpass_api_types::{GateAccount, GateKey, GateLine, GateTaken, GateVideo};
use vidpass_store::Subject;
use vidpass_token::{
    AccountId, AccountPolicy, PublicKey, RevocationExtent, RevocationMark, Taken, UnixTime, VideoPolicy, ViewerVersion,
};

use super::error::FeedError;

pub(super) fn of_line(line: GateLine) -> Result<Subject, FeedError> {
    Ok(match line {
        GateLine::Account { id, policy } => Subject::Account(parsed("account", &id)?, policy.map(account).transpose()?),
        GateLine::Key { id, key } => Subject::Key(parsed("key", &id)?, key.map(self::key).transpose()?),
        GateLine::Revocation { mark, taken } => {
            let mark = RevocationMark::from_hex(&mark).ok_or(FeedError::ValueUnknown { member: "mark" })?;
            Subject::Revocation(mark, taken.iter().map(self::taken).collect::<Result<_, _>>()?)
        }
        GateLine::Video { uid, video } => Subject::Video(parsed("uid", &uid)?, video.map(self::video).transpose()?),
        GateLine::End { .. } => return Err(FeedError::ValueUnknown { member: "type" }),
    })
}

fn account(said: GateAccount) -> Result<AccountPolicy, FeedError> {
    Ok(AccountPolicy { dry_run: said.dry_run, origin: optional("origin", said.origin.as_deref())? })
}

fn key(said: GateKey) -> Result<(AccountId, PublicKey), FeedError> {
    let unknown = || FeedError::ValueUnknown { member: "spki" };
    let spki = STANDARD.decode(&said.spki).map_err(|_| unknown())?;
    Ok((parsed("account", &said.account)?, PublicKey::from_spki_der(&spki).map_err(|_| unknown())?))
}

fn taken(said: &GateTaken) -> Result<Taken, FeedError> {
    let extent = match (said.viewer_version, said.issued_before) {
        (None, None) => RevocationExtent::All,
        (Some(version), None) => RevocationExtent::Versions(ViewerVersion(version)),
        (None, Some(time)) => RevocationExtent::IssuedBefore(UnixTime(time)),
        (Some(_), Some(_)) => return Err(FeedError::ValueUnknown { member: "taken" }),
    };
    Ok(Taken { extent, until: said.until.map(UnixTime) })
}

fn video(said: GateVideo) -> Result<VideoPolicy, FeedError> {
    let origins = said.allowed_origins.iter().map(|origin| parsed("allowedOrigins", origin));
    Ok(VideoPolicy {
        account: parsed("account", &said.account)?,
        require_signed_urls: said.require_signed_urls,
        allowed_origins: origins.collect::<Result<_, _>>()?,
        downloads: said.downloads,
        dry_run: said.dry_run,
        origin: optional("origin", said.origin.as_deref())?,
    })
}

fn optional<T: std::str::FromStr>(member: &'static str, text: Option<&str>) -> Result<Option<T>, FeedError> {
    text.map(|text| parsed(member, text)).transpose()
}

fn parsed<T: std::str::FromStr>(member: &'static str, text: &str) -> Result<T, FeedError> {
    text.parse().map_err(|_| FeedError::ValueUnknown { member })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_issuer_says_comes_back_as_it_was() {
        let policy = VideoPolicy {
            allowed_origins: vec!["*.example.com".parse().unwrap(), "localhost:3000".parse().unwrap()],
            downloads: true,
            dry_run: Some(false),
            origin: Some("bucket".parse().unwrap()),
            ..VideoPolicy::private("a1".parse().unwrap())
        };
        let mark = RevocationMark::from_hex("000102030405060708090a0b0c0d0e0f").unwrap();
        let until = Some(UnixTime(9));
        let taken = [
            Taken { extent: RevocationExtent::All, until },
            Taken { extent: RevocationExtent::Versions(ViewerVersion(3)), until: None },
            Taken { extent: RevocationExtent::IssuedBefore(UnixTime(-7)), until },
        ];
        let key = vidpass_token::SigningKey::generate(vidpass_token::Algorithm::EdDsa, "k".parse().unwrap()).unwrap();
        for subject in [
            Subject::Video("v1".parse().unwrap(), Some(policy)),
            Subject::Video("v1".parse().unwrap(), None),
            Subject::Account("a1".parse().unwrap(), Some(AccountPolicy { dry_run: true, origin: None })),
            Subject::Account("a1".parse().unwrap(), None),
            Subject::Revocation(mark, taken.into()),
            Subject::Revocation(mark, Box::default()),
            Subject::Key("k".parse().unwrap(), Some(("a1".parse().unwrap(), key.public().clone()))),
            Subject::Key("k".parse().unwrap(), None),
        ] {
            let line = serde_json::to_string(&vidpass_api::gate_line(subject.clone())).unwrap();
            assert_eq!(of_line(serde_json::from_str(&line).unwrap()).unwrap(), subject);
        }
    }

    #[test]
    fn what_cannot_be_told_without_doubt_is_refused() {
        check(r#"{"type":"key","id":"k","key":{"account":"a","spki":"AAAA"}}"#, "spki");
        check(r#"{"type":"key","id":"no id","key":null}"#, "key");
        check(r#"{"type":"revocation","mark":"0","taken":[]}"#, "mark");
        let both = r#"[{"viewerVersion":1,"issuedBefore":1,"until":null}]"#;
        check(&format!(r#"{{"type":"revocation","mark":"{}","taken":{both}}}"#, "0".repeat(32)), "taken");
        check(r#"{"type":"account","id":"a","policy":{"dryRun":true,"origin":"NO ORIGIN"}}"#, "origin");
    }

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let refused = of_line(serde_json::from_str(line).unwrap()).unwrap_err();
        assert!(matches!(refused, FeedError::ValueUnknown { member } if member == expected), "{refused:?}");
    }
}
