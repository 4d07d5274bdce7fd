//! Transfers that are running when their token is taken back, or over.

use http_body_util::BodyExt as _;
use vidpass_gate::{BodyError, Catalogue, CutOff, GateConfig};
use vidpass_token::{RevocationExtent, RevokedSubject, Taken};

use crate::site::{ACCOUNT, NOW, Site, key_id, token};

/// More than is read at once.
const LENGTH: usize = 1_000_000;

#[tokio::test]
async fn what_is_taken_back_is_cut_off_and_what_expires_where_it_is_said() {
    let (gone, revoked) = (Some("key_unknown"), Some("token_revoked"));
    for (what, never, default, expired) in [
        (Event::Nothing, None, None, None),
        (Event::OtherViewerRevoked, None, None, None),
        (Event::KeyDeleted, None, gone, gone),
        (Event::VideoRevoked, None, revoked, revoked),
        (Event::Expired, None, None, Some("token_expired")),
    ] {
        for (cut_off, expected) in [(CutOff::Never, never), (CutOff::Revoked, default), (CutOff::Expired, expired)] {
            assert_eq!(transfer(cut_off, "private", what).await, expected, "{what:?} {cut_off:?}");
        }
    }
}

#[tokio::test]
async fn who_needs_no_token_is_not_cut_off() {
    for what in [Event::KeyDeleted, Event::VideoRevoked, Event::Expired] {
        assert_eq!(transfer(CutOff::Expired, "public", what).await, None, "{what:?}");
    }
}

#[tokio::test]
async fn a_dry_run_cuts_off_what_is_taken_back_and_nothing_else() {
    for (what, expected) in [(Event::Expired, None), (Event::VideoRevoked, Some("token_revoked"))] {
        let site = Site::with_gate(GateConfig { cut_off: CutOff::Expired, ..GateConfig::default() });
        site.gate.update(|catalogue| {
            let policy = vidpass_token::AccountPolicy { dry_run: true, origin: None };
            catalogue.insert_account(ACCOUNT.parse().unwrap(), Some(policy));
        });
        assert_eq!(transfer_at(&site, "private", what).await, expected, "{what:?}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Nothing,
    OtherViewerRevoked,
    KeyDeleted,
    VideoRevoked,
    Expired,
}

async fn transfer(cut_off: CutOff, video: &str, what: Event) -> Option<&'static str> {
    transfer_at(&Site::with_gate(GateConfig { cut_off, ..GateConfig::default() }), video, what).await
}

/// Begins a transfer, lets something happen, and gives the denial that it ends with; `None` where it arrives whole.
async fn transfer_at(site: &Site, video: &str, what: Event) -> Option<&'static str> {
    site.put(&format!("{video}/film.mp4"), &"x".repeat(LENGTH));
    let credential = if video == "public" { video.to_owned() } else { token(video, |_| {}) };
    let mut body = site.begin(&format!("/{credential}/film.mp4")).await.into_body();
    let mut length = body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    match what {
        Event::Nothing => {}
        Event::OtherViewerRevoked => revoke(site, &RevokedSubject::Viewer("somebody".parse().unwrap())),
        Event::KeyDeleted => site.gate.update(|catalogue| catalogue.remove_key(&key_id())),
        Event::VideoRevoked => revoke(site, &RevokedSubject::Video(video.parse().unwrap())),
        Event::Expired => site.set_clock(NOW + 60),
    }
    loop {
        match body.frame().await {
            None => {
                assert_eq!(length, LENGTH);
                return None;
            }
            Some(Ok(frame)) => length += frame.into_data().unwrap().len(),
            Some(Err(BodyError::CutOff { denial })) => {
                assert!(body.frame().await.is_none(), "nothing comes after it");
                let counted = format!("vidpass_gate_transfers_cut_off_total{{code=\"{}\"}}", denial.code());
                assert_eq!(site.metric(&counted), 1);
                assert!(crate::logs::written().contains("a running transfer is cut off"));
                return Some(denial.code());
            }
            Some(Err(error)) => panic!("{error}"),
        }
    }
}

pub(crate) fn revoke(site: &Site, subject: &RevokedSubject) {
    let taken = Box::from([Taken { extent: RevocationExtent::All, until: None }]);
    let mark = subject.mark(&ACCOUNT.parse().unwrap());
    site.gate.update(|catalogue: &mut Catalogue| catalogue.set_revocations(mark, taken));
}
