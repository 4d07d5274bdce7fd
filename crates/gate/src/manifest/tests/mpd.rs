//! DASH: each place of a URL, and where it starts from.

use super::*;

#[test]
fn every_place_of_a_url() {
    for (element, relative) in [
        ("<BaseURL>(url)</BaseURL>", "../a/b"),
        ("<BaseURL serviceLocation='x'>\n  (url)\n</BaseURL>", "../a/b"),
        ("<BaseURL><![CDATA[(url)]]></BaseURL>", "../a/b"),
        ("<PatchLocation ttl='60'>(url)</PatchLocation>", "../a/b"),
        ("<Period xlink:href='(url)' xmlns:xlink='http://www.w3.org/1999/xlink'/>", "../a/b"),
        ("<Period><SegmentTemplate media='(url)'/></Period>", "../a/b"),
        ("<Period><SegmentTemplate initialization=\"(url)\" duration='1'/></Period>", "../a/b"),
        ("<Period><SegmentTemplate index='(url)'/></Period>", "../a/b"),
        ("<Period><SegmentTemplate bitstreamSwitching=' (url) '/></Period>", "../a/b"),
        ("<Period><SegmentList><SegmentURL media='(url)' index='(url)'/></SegmentList></Period>", "../a/b"),
        ("<Period><SegmentBase><Initialization sourceURL='(url)'/></SegmentBase></Period>", "../a/b"),
        ("<Period><SegmentBase><RepresentationIndex sourceURL='(url)'/></SegmentBase></Period>", "../a/b"),
        ("<Period><SegmentList><BitstreamSwitching sourceURL='(url)'/></SegmentList></Period>", "../a/b"),
    ] {
        let with =
            |url: &str| format!("<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'>{}</MPD>", element.replace("(url)", url));
        let squeezed = |text: String| text.replace(['\n', ' '], "").replace("<![CDATA[", "").replace("]]>", "");
        let new = mpd(&with("https://vod.example.com/vod/v1/a/b"));
        assert_eq!(squeezed(new), squeezed(with(relative)), "{element}");
        for kept in ["https://cdn.example.com/vod/v1/a/b", "a/b", "../a/b", "/vod/v2/a"] {
            assert_eq!(mpd(&with(kept)), with(kept), "{element}");
        }
    }
    let body = |attribute: &str| format!("<MPD><Period {attribute}='/vod/v1/a'/></MPD>");
    for not in ["href", "id", "bitstreamSwitching", "media", "sourceURL"] {
        assert_eq!(mpd(&body(not)), body(not));
    }
}

#[test]
fn templates_keep_their_identifiers() {
    for (media, expected) in [
        ("/vod/v1/hls/$RepresentationID$/$Number%05d$.m4s", "../hls/$RepresentationID$/$Number%05d$.m4s"),
        ("https://vod.example.com/vod/v1/$Time$.m4s?b=$Bandwidth$", "../$Time$.m4s?b=$Bandwidth$"),
        ("$RepresentationID$/$Number$.m4s", "$RepresentationID$/$Number$.m4s"),
        ("../../v1/$SubNumber$.m4s", "../$SubNumber$.m4s"),
        ("/vod/v1/$$.m4s", "/vod/v1/$$.m4s"),
        ("/vod/v1/$Number.m4s", "/vod/v1/$Number.m4s"),
        ("/vod/v1/a%20$Number$.m4s", "/vod/v1/a%20$Number$.m4s"),
    ] {
        let with = |media| format!("<MPD><Period><SegmentTemplate media=\"{media}\"/></Period></MPD>");
        assert_eq!(mpd(&with(media)), with(expected));
    }
}

#[test]
fn entities_are_read_and_written() {
    check(
        "<MPD><BaseURL>/vod/v1/a.mp4?x=1&amp;y=2</BaseURL></MPD>",
        "<MPD><BaseURL>../a.mp4?x=1&amp;y=2</BaseURL></MPD>",
    );
    check("<MPD><BaseURL>&#x2f;vod&#47;v1/a<!-- -->b/</BaseURL></MPD>", "<MPD><BaseURL>../ab/</BaseURL></MPD>");
    let with = |media| format!("<MPD><Period><SegmentTemplate media='{media}'/></Period></MPD>");
    check(&with("&#x2f;vod/v1/a?x=&apos;&lt;&amp;"), &with("../a?x=&apos;&lt;&amp;"));
}

#[test]
fn a_base_url_moves_what_starts_from_it() {
    // base URL of the manifest, and of its one representation; a segment, and what becomes of them
    for (outer, inner, media, expected) in [
        ("", "", "/vod/v1/a.m4s", "||../a.m4s"),
        ("/vod/v1/dash/", "", "a.m4s", "../dash/||a.m4s"),
        ("/vod/v1/dash/", "", "/vod/v1/dash/a.m4s", "../dash/||a.m4s"),
        ("/vod/v1/dash/", "360p/", "/vod/v1/a.m4s", "../dash/|360p/|../../a.m4s"),
        ("/vod/v1/dash/", "/vod/v1/hls/", "/vod/v1/a.m4s", "../dash/|../hls/|../a.m4s"),
        ("/vod/v1/dash/", "../../v1/hls/", "x.m4s", "../dash/|../hls/|x.m4s"),
        ("dash/x.mpd", "", "/vod/v1/a.m4s", "dash/x.mpd||../../a.m4s"),
        ("https://vod.example.com/vod/v1", "", "a.m4s", "https://vod.example.com/vod/v1||a.m4s"),
        ("https://vod.example.com/vod/v1/", "", "a.m4s", "../||a.m4s"),
        ("https://vod.example.com/vod/v1/manifest/", "", "a.m4s", "./||a.m4s"),
        ("..", "", "/vod/v1/a.m4s", "..||a.m4s"),
        ("../hls", "", "/vod/v1/a.m4s", "../hls||a.m4s"),
        ("dash/", "../../", "/vod/v1/a.m4s", "dash/|../../|a.m4s"),
        ("dash/", "../../../vod/v1/", "/vod/v1/a.m4s", "dash/|../../|a.m4s"),
        // Foreign, or nothing that is plain: what starts from there is left alone.
        ("https://cdn.example.com/", "", "a.m4s", "https://cdn.example.com/||a.m4s"),
        ("https://cdn.example.com/", "/vod/v1/", "/vod/v1/a.m4s", "https://cdn.example.com/|/vod/v1/|/vod/v1/a.m4s"),
        ("/vod/v1/", "//cdn.example.com/", "/vod/v1/a.m4s", "../|//cdn.example.com/|/vod/v1/a.m4s"),
        ("a%20b/", "", "/vod/v1/a.m4s", "a%20b/||/vod/v1/a.m4s"),
        ("/vod/", "", "/vod/v1/a.m4s", "/vod/||/vod/v1/a.m4s"),
    ] {
        let base = |url: &str| if url.is_empty() { String::new() } else { format!("<BaseURL>{url}</BaseURL>") };
        let with = |outer, inner, media: &str| {
            let (outer, inner) = (base(outer), base(inner));
            let segments = format!("<SegmentTemplate media=\"{media}\"/>");
            format!(
                "<MPD>{outer}<Period><AdaptationSet><Representation>{inner}{segments}</Representation></AdaptationSet></Period></MPD>"
            )
        };
        let parts: Vec<&str> = expected.split('|').collect();
        check(&with(outer, inner, media), &with(parts[0], parts[1], parts[2]));
    }
}

#[test]
fn what_is_described_further_out_starts_from_the_innermost_base() {
    let set = |media: &str, bases: [&str; 2]| {
        let representations =
            bases.map(|base| format!("<Representation><BaseURL>{base}</BaseURL></Representation>")).concat();
        format!(
            "<MPD><Period><AdaptationSet><SegmentTemplate media='{media}'/>{representations}</AdaptationSet></Period></MPD>"
        )
    };
    check(&set("/vod/v1/a.m4s", ["360p/", "720p/"]), &set("../../a.m4s", ["360p/", "720p/"]));
    check(&set("/vod/v1/a.m4s", ["/vod/v1/x/", "/vod/v1/y/"]), &set("../a.m4s", ["../x/", "../y/"]));
    check(&set("a.m4s", ["360p/", "x/y/z/"]), &set("a.m4s", ["360p/", "x/y/z/"]));
    // No text is right for both.
    check(&set("/vod/v1/a.m4s", ["360p/", "x/y/"]), &set("/vod/v1/a.m4s", ["360p/", "x/y/"]));
    let mixed = ["360p/", "https://cdn.example.com/"];
    check(&set("/vod/v1/a.m4s", mixed), &set("/vod/v1/a.m4s", mixed));
    // A base URL counts wherever in its element it stands.
    check(
        "<MPD><Period><SegmentList><SegmentURL media='/vod/v1/a/b.ts'/></SegmentList><BaseURL>/vod/v1/a/</BaseURL></Period></MPD>",
        "<MPD><Period><SegmentList><SegmentURL media='b.ts'/></SegmentList><BaseURL>../a/</BaseURL></Period></MPD>",
    );
}

#[test]
fn alternatives_each_become_relative() {
    let with = |one, other, media| {
        format!(
            "<MPD><BaseURL>{one}</BaseURL><BaseURL>{other}</BaseURL><Period><SegmentTemplate media='{media}'/></Period></MPD>"
        )
    };
    let (vod, mirror, cdn) =
        ("https://vod.example.com/vod/v1/dash/", "/mirror/v1/dash/", "https://cdn.example.com/dash/");
    check(&with(vod, mirror, "/vod/v1/dash/a.m4s"), &with("../dash/", "../dash/", "a.m4s"));
    check(&with(vod, cdn, "a.m4s"), &with("../dash/", cdn, "a.m4s"));
    check(&with(vod, cdn, "/vod/v1/dash/a.m4s"), &with("../dash/", cdn, "/vod/v1/dash/a.m4s"));
}

#[test]
fn a_location_starts_from_the_manifest() {
    check(
        "<MPD><BaseURL>https://cdn.example.com/</BaseURL><Location>/vod/v1/manifest/x.mpd</Location></MPD>",
        "<MPD><BaseURL>https://cdn.example.com/</BaseURL><Location>x.mpd</Location></MPD>",
    );
}

#[test]
fn a_location_elsewhere_is_taken_out() {
    // Some players start from where the manifest was, and others from where it says that it is.
    let with = |location: &str, media: &str| {
        format!(
            "<MPD>{location}<PatchLocation>x.xml</PatchLocation><Period><SegmentTemplate media='{media}'/></Period></MPD>"
        )
    };
    let location = |url: &str| format!("<Location>{url}</Location>");
    for (kept, rewritten) in [
        ("x.mpd", "x.mpd?token=h.p.s"),
        ("./../manifest/x.mpd?a", "./../manifest/x.mpd?a&amp;token=h.p.s"),
        ("https://vod.example.com/vod/v1/manifest/x.mpd", "x.mpd?token=h.p.s"),
        ("", ""),
    ] {
        let new = rewrite_at("manifest/video.mpd", &HOMES, &with(&location(kept), "a.m4s"), Some(&parameter()));
        let expected = with(&location(rewritten), "a.m4s?token=h.p.s").replace("x.xml", "x.xml?token=h.p.s");
        assert_eq!(new, expected);
    }
    for elsewhere in [
        "https://cdn.example.com/manifest/x.mpd",
        "//vod.example.com/vod/v1/manifest/",
        "/vod/v2/manifest/x.mpd",
        "../../v2/manifest/x.mpd",
        "https://vod.example.com/vod/v1/x.mpd",
        "../dash/x.mpd",
        "a%20b/x.mpd",
        "<![CDATA[//cdn.example.com/x.mpd]]>",
    ] {
        check(&with(&location(elsewhere), "/vod/v1/a.m4s"), &with("", "../a.m4s"));
        let [first, second] = [location(elsewhere), location("/vod/v1/manifest/x.mpd")];
        check(&with(&(first + &second), "a"), &with(&location("x.mpd"), "a"));
    }
}

#[test]
fn what_sends_the_token_elsewhere_is_taken_out() {
    for element in [
        "<ContentSteering>https://cdn.example.com/steering</ContentSteering>",
        "<ContentSteering defaultServiceLocation='a' queryBeforeStart='true'>/vod/v1/x</ContentSteering>",
        "<Metrics metrics='HttpList'><Range/><Reporting x:reportingUrl='//cdn.example.com/'><BaseURL>/vod/v1/</BaseURL></Reporting></Metrics>",
        "<up:UrlQueryInfo queryTemplate='$querypart$' useMPDUrlQuery='true'/>",
        "<up:ExtUrlQueryInfo queryTemplate='$querypart$' useMPDUrlQuery='true' x:href='/vod/v1/x'></up:ExtUrlQueryInfo>",
    ] {
        let with = |element, media| {
            format!(
                "<MPD><Period><EssentialProperty>{element}</EssentialProperty><SegmentTemplate media='{media}'/></Period></MPD>"
            )
        };
        assert_eq!(mpd(&with(element, "/vod/v1/a.m4s")), with("", "../a.m4s"), "{element}");
    }
    assert_eq!(mpd("<MPD><ContentSteering>x"), "error: it ends before its elements do");
}

#[test]
fn a_link_starts_from_the_manifest_or_the_base() {
    let with = |base, href| {
        format!("<MPD xmlns:x='http://www.w3.org/1999/xlink'><BaseURL>{base}</BaseURL><Period x:href='{href}'/></MPD>")
    };
    check(&with("/vod/v1/manifest/", "/vod/v1/p.xml"), &with("./", "../p.xml"));
    check(&with("/vod/v1/dash/", "/vod/v1/p.xml"), &with("../dash/", "../p.xml"));
    check(&with("/vod/v1/", "/vod/v1/p.xml"), &with("../", "/vod/v1/p.xml"));
    check(&with("https://cdn.example.com/", "/vod/v1/p.xml"), &with("https://cdn.example.com/", "/vod/v1/p.xml"));
}

#[test]
fn a_token_goes_with_files_of_the_video_alone() {
    let with = |base, media| {
        format!(
            "<MPD><BaseURL>{base}</BaseURL><Period><Representation><SegmentTemplate media=\"{media}\"/></Representation></Period></MPD>"
        )
    };
    let cdn = "https://cdn.example.com/";
    for (base, media, expected) in [
        ("dash/", "$Number$.m4s", with("dash/", "$Number$.m4s?token=h.p.s")),
        ("/vod/v1/", "a.m4s?x=1&amp;y", with("../", "a.m4s?x=1&amp;y&amp;token=h.p.s")),
        ("video.mp4", "?range=$Time$", with("video.mp4?token=h.p.s", "?range=$Time$&amp;token=h.p.s")),
        (cdn, "a.m4s", with(cdn, "a.m4s")),
        (cdn, "/vod/v1/a.m4s", with(cdn, "/vod/v1/a.m4s")),
        (cdn, "https://vod.example.com/vod/v1/a.m4s", with(cdn, "https://vod.example.com/vod/v1/a.m4s")),
        ("dash/", "https://cdn.example.com/a.m4s", with("dash/", "https://cdn.example.com/a.m4s")),
    ] {
        let new = rewrite_at("manifest/video.mpd", &HOMES, &with(base, media), Some(&parameter()));
        assert_eq!(new, expected);
        assert_eq!(rewrite_at("manifest/video.mpd", &HOMES, &new, Some(&parameter())), expected);
    }
    // A player may take the other base URL, and send the token there.
    let mixed = "<MPD><BaseURL>dash/</BaseURL><BaseURL>//evil.example/</BaseURL><Period><SegmentTemplate media='a.m4s'/></Period></MPD>";
    assert_eq!(rewrite_at("manifest/video.mpd", &HOMES, mixed, Some(&parameter())), mixed);
    let inherited = "<MPD><Period><SegmentTemplate media='a.m4s'/><AdaptationSet><Representation><x:BaseURL>//evil.example/</x:BaseURL></Representation></AdaptationSet></Period></MPD>";
    assert_eq!(rewrite_at("manifest/video.mpd", &HOMES, inherited, Some(&parameter())), inherited);
}

#[test]
fn what_cannot_be_read_without_doubt_is_an_error() {
    for (text, error) in [
        ("", "its root is not one `MPD`"),
        ("#EXTM3U\n", "its root is not one `MPD`"),
        ("<Other/>", "its root is not one `MPD`"),
        ("<MPD/><MPD/>", "its root is not one `MPD`"),
        ("<MPD/>x", "its root is not one `MPD`"),
        ("<MPD>", "it ends before its elements do"),
        ("<MPD><BaseURL>a<b/></BaseURL></MPD>", "it has an element within a URL, before byte 19"),
        ("<MPD></Period>", "it is not well-formed XML before byte 14"),
        ("<MPD><a", "it is not well-formed XML before byte 7"),
        ("<MPD a='1' a='2'/>", "it is not well-formed XML before byte 18"),
        ("<MPD a=1/>", "it is not well-formed XML before byte 10"),
        ("<MPD>a & b</MPD>", "it is not well-formed XML before byte 10"),
        ("<!DOCTYPE MPD [<!ENTITY a '/vod/v1/'>]><MPD/>", "it has a document type"),
        ("<MPD><BaseURL>&a;</BaseURL></MPD>", "it has an entity other than those of XML, before byte 17"),
        ("<MPD id='&a;'/>", "it has an entity other than those of XML, before byte 12"),
        ("<MPD>&#xD800;</MPD>", "it has an entity other than those of XML, before byte 13"),
        ("<?xml version='1.0' encoding='UTF-16'?><MPD/>", "it is not in UTF-8"),
    ] {
        assert_eq!(mpd(text), format!("error: {error}"), "{text}");
    }
    let relocation_of = |bytes: &[u8]| {
        let homes = Homes::new(&"v1".parse().unwrap(), []);
        let manifest = MediaPath::parse("/v1/video.mpd").unwrap().file();
        rewrite(ManifestKind::Dash, bytes, &Relocation { manifest, homes: &homes, parameter: None })
            .map(Cow::into_owned)
    };
    let wide: Vec<u8> = "\u{feff}<MPD/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(matches!(relocation_of(&wide), Err(ManifestError::Dash(DashError::Encoding))));
    for good in ["\u{feff}<?xml version='1.0' encoding='utf-8'?>\n<!-- & --><MPD/>\n", "<MPD>&amp;&#65;</MPD>"] {
        assert_eq!(relocation_of(good.as_bytes()).unwrap(), good.as_bytes());
    }
    check("\u{feff}<MPD><BaseURL>/v1/a</BaseURL></MPD>", "\u{feff}<MPD><BaseURL>../a</BaseURL></MPD>");
}

#[test]
fn hostile_manifests_end_quickly() {
    let inside = |text: String| format!("<MPD><Period>{text}</Period></MPD>");
    let deep = quickly(|| mpd(&format!("<MPD>{}", "<a>".repeat(1_000_000))));
    assert_eq!(deep, "error: its elements lie more than 64 deep");
    let attributes: String = (0..100_000).map(|n| format!(" a{n}='&#65;'")).collect();
    quickly(|| mpd(&inside(format!("<SegmentTemplate{attributes}/>"))));
    let links: String = (0..100_000).map(|n| format!(" a{n}:href='/v1/x'")).collect();
    quickly(|| mpd(&inside(format!("<a{links}/>"))));
    quickly(|| mpd(&inside("<SegmentURL media='/v1/a'/>".repeat(100_000))));
    quickly(|| mpd(&inside("<BaseURL>a/</BaseURL>".repeat(100_000))));
    for text in ["<Period/>", "<BaseURL/>", "<SegmentURL media=''/>"] {
        let parts = quickly(|| mpd(&inside(text.repeat(400_000))));
        assert_eq!(parts, "error: it has more than 400000 levels and URLs", "{text}");
    }
    for text in ["&#47;", "&amp;", "<!---->", "<![CDATA[a]]>", "a/", "../"] {
        quickly(|| mpd(&inside(format!("<BaseURL>{}</BaseURL>", text.repeat(200_000)))));
    }
    let base = format!("<BaseURL>{}</BaseURL>", "a/".repeat(120));
    let level = "<AdaptationSet><BaseURL>b/</BaseURL><SegmentURL media='/v1/a'/></AdaptationSet>";
    quickly(|| mpd(&inside(format!("{base}{}", level.repeat(20_000)))));
}

fn mpd(text: &str) -> String {
    rewrite_at("manifest/video.mpd", &HOMES, text, None)
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(mpd(text), expected);
    assert_eq!(mpd(expected), expected, "twice");
}
