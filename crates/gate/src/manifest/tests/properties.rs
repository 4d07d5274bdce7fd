//! What holds of every reference, judged by the URL parser of the browsers' standard, which nobody here wrote.

use proptest::prelude::*;
use url::Url;

use super::*;

const HOST: &str = "https://gate.example";

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,6}"
}

fn names(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(name(), count)
}

/// A reference that is anything at all: pieces of URLs in any order.
fn anything() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/",
        "//",
        "..",
        ".",
        "../",
        "vod",
        "v1",
        "v2",
        "vod.example.com",
        "cdn.example.com",
        "https:",
        "http:",
        "data:",
        ":",
        "@",
        "?",
        "#",
        "%2e",
        "%2F",
        "\\",
        "{$x}",
        "$Number$",
        "hls",
        "a.ts",
        "a b",
        "mirror",
        "&",
        "=",
        "é",
        "\t",
    ]);
    prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_was_rewritten_leads_to_the_file_with_the_token(
        place in names(1..5),
        target in names(1..5),
        home in prop::sample::select(vec!["https://vod.example.com/vod/v1/", "//vod.example.com/vod/v1/", "/vod/v1/", "/mirror/v1/", "/v1/"]),
        query in prop::sample::select(vec!["", "?x=1", "?x=/../y"]),
    ) {
        let (place, target) = (format!("{}.m3u8", place.join("/")), target.join("/"));
        let new = rewrite_at(&place, &HOMES, &format!("{home}{target}{query}"), None);
        let at = Url::parse(&format!("{HOST}/h.p.s/{place}")).unwrap();
        prop_assert_eq!(at.join(&new).unwrap().to_string(), format!("{HOST}/h.p.s/{target}{query}"), "{} in {}", new, place);
        let shorter = new.len() <= 3 * place.len() + target.len() + query.len();
        prop_assert!(shorter, "{}", new);
    }

    #[test]
    fn whatever_it_is_it_changes_to_a_path_of_the_video_or_not_at_all(reference in anything()) {
        let place = "manifest/video.m3u8";
        let new = rewrite_at(place, &HOMES, &reference, None);
        if new != reference {
            let at = Url::parse(&format!("{HOST}/h.p.s/{place}")).unwrap();
            let resolved = at.join(new.trim()).unwrap();
            prop_assert_eq!(resolved.origin().ascii_serialization(), HOST);
            let path = MediaPath::parse(resolved.path());
            prop_assert!(path.is_ok() && resolved.path().starts_with("/h.p.s/"), "{} became {}", reference, new);
            // It led to the same file before, from one of the homes.
            let file = path.unwrap().file().as_str();
            let before = |home: &str| Url::parse(&format!("{home}{place}")).unwrap().join(reference.trim()).unwrap();
            let homes = ["https://vod.example.com/vod/v1/", "https://vod.example.com/mirror/v1/", "https://vod.example.com/v1/"];
            let led_home = homes.iter().any(|from| {
                let before = before(from);
                let host = before.host_str() == Some("vod.example.com");
                host && homes.iter().any(|home| before.path() == format!("{}{file}", &home["https://vod.example.com".len()..]))
            });
            prop_assert!(led_home, "{} became {}", reference, new);
        }
        prop_assert_eq!(rewrite_at(place, &HOMES, &new, None), new);
    }

    #[test]
    fn no_other_host_gets_a_token(reference in anything()) {
        let place = "manifest/video.m3u8";
        let new = rewrite_at(place, &HOMES, &reference, Some(&parameter()));
        let at = Url::parse(&format!("{HOST}/v1/{place}")).unwrap();
        for line in new.lines().filter(|line| line.contains("h.p.s")) {
            let resolved = at.join(line.trim()).unwrap();
            prop_assert_eq!(resolved.origin().ascii_serialization(), HOST, "{} became {}", reference, new);
            prop_assert!(resolved.path().starts_with("/v1/"), "{} became {}", reference, new);
        }
    }

    #[test]
    fn no_other_host_gets_a_token_by_a_base(
        location in anything(),
        outer in anything(),
        inner in anything(),
        media in anything(),
    ) {
        let escaped = |text: &str| quick_xml::escape::escape(text).into_owned();
        let text = format!(
            "<MPD><Location>{}</Location><BaseURL>{}</BaseURL><Period><BaseURL>{}</BaseURL><SegmentTemplate media=\"{}\"/></Period></MPD>",
            escaped(&location), escaped(&outer), escaped(&inner), escaped(&media),
        );
        let new = rewrite_at("manifest/video.mpd", &HOMES, &text, Some(&parameter()));
        let part = |before: &str, after: &str, nth: usize| {
            let part = new.split(before).nth(nth).unwrap().split(after).next().unwrap();
            quick_xml::escape::unescape(part).unwrap().into_owned()
        };
        let mut at = Url::parse(&format!("{HOST}/v1/manifest/video.mpd")).unwrap();
        let location = new.contains("<Location>").then(|| part("<Location>", "<", 1));
        for part in location.into_iter().chain([part("<BaseURL>", "<", 1), part("<BaseURL>", "<", 2), part("media=\"", "\"", 1)]) {
            let Ok(next) = at.join(&part) else { return Ok(()) };
            at = next;
            if part.contains("h.p.s") {
                prop_assert_eq!(at.origin().ascii_serialization(), HOST, "{}", new);
            }
        }
    }

    #[test]
    fn any_text_is_rewritten_or_refused(text in ".{0,200}", kind in prop::sample::select(vec!["m3u8", "mpd"])) {
        rewrite_at(&format!("manifest/video.{kind}"), &HOMES, &text, Some(&parameter()));
    }
}
