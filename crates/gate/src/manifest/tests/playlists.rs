//! HLS, reference by reference and line by line.

use super::*;

#[test]
fn what_is_relative_stays() {
    for reference in [
        "seg-1.ts",
        "./seg-1.ts",
        "360p/seg-1.ts?x=/vod/v1/a#t",
        "../hls/seg-1.ts",
        "a/../../hls/seg-1.ts",
        "../video.ts",
        "seg-1.ts?a=https://vod.example.com/vod/v1/b",
    ] {
        check(reference, reference);
    }
}

#[test]
fn what_leads_home_becomes_relative() {
    check("/vod/v1/hls/seg-1.ts", "../hls/seg-1.ts");
    check("/vod/v1/manifest/seg-1.ts", "seg-1.ts");
    check("/vod/v1/seg-1.ts", "../seg-1.ts");
    check("/vod/v1/hls/../manifest/360p/./a.ts", "360p/a.ts");
    check("/mirror/v1/hls/seg-1.ts", "../hls/seg-1.ts");
    check("/v1/hls/seg-1.ts", "../hls/seg-1.ts");
    check("https://vod.example.com/vod/v1/hls/seg-1.ts", "../hls/seg-1.ts");
    check("http://VOD.example.com:80/vod/v1/hls/seg-1.ts", "../hls/seg-1.ts");
    check("HTTPS://vod.example.com:443/vod/v1/hls/seg-1.ts", "../hls/seg-1.ts");
    check("//vod.example.com/vod/v1/hls/seg-1.ts", "../hls/seg-1.ts");
    check("https://vod.example.com/vod/v1/hls/a.ts?x=1&y=%20#t", "../hls/a.ts?x=1&y=%20#t");
    check("../../v1/hls/seg-1.ts", "../hls/seg-1.ts");
    check("../../../vod/v1/hls/seg-1.ts", "../hls/seg-1.ts");
    check("../../../mirror/v1/hls/seg-1.ts", "../hls/seg-1.ts");
    check("a/../../../v1/manifest/seg-1.ts", "seg-1.ts");
}

#[test]
fn everything_else_stays() {
    for reference in [
        "https://cdn.example.com/vod/v1/hls/seg-1.ts",
        "https://vod.example.com.evil.example/vod/v1/seg-1.ts",
        "https://vod.example.com@evil.example/vod/v1/seg-1.ts",
        "https://user@vod.example.com/vod/v1/seg-1.ts",
        "https://vod.example.com:8443/vod/v1/seg-1.ts",
        "//cdn.example.com/vod/v1/seg-1.ts",
        "https://vod.example.com/vod/v2/seg-1.ts",
        "https://vod.example.com/mirror/v1/seg-1.ts",
        "https://vod.example.com/v1/seg-1.ts",
        "/vod/v1/../v2/seg-1.ts",
        "/vod/v2/seg-1.ts",
        "/vod/v10/seg-1.ts",
        "/vod/v1",
        "/vod/v1/",
        "/vod/v1/hls/",
        "/vod/V1/seg-1.ts",
        "/vod//v1/seg-1.ts",
        "/vod/v1//seg-1.ts",
        "/vod/v1/hls/seg%201.ts",
        "/vod/v1/hls/seg+1.ts",
        "/vod/v1/.hidden/seg-1.ts",
        "/vod/v1/%2e%2e/v2/seg-1.ts",
        "/\\evil.example/vod/v1/seg-1.ts",
        "/../vod/v1/seg-1.ts",
        "../../v2/seg-1.ts",
        "../../../../../../vod/v1/seg-1.ts",
        "%2e%2e/../vod/v1/seg-1.ts",
        "seg%201.ts",
        "data:text/plain,/vod/v1/a",
        "skd://vod.example.com/vod/v1/key",
        "ftp://vod.example.com/vod/v1/key",
        "https:/vod/v1/seg-1.ts",
        "{$base}/vod/v1/seg-1.ts",
        "/vod/v1/seg-1.ts?x={$y}",
    ] {
        check(reference, reference);
    }
    check(&format!("/vod/v1/{}.ts", "a".repeat(4096)), &format!("/vod/v1/{}.ts", "a".repeat(4096)));
}

#[test]
fn every_tag_with_a_url() {
    for tag in [
        r#"#EXT-X-KEY:METHOD=AES-128,URI="(url)",IV=0x1"#,
        r#"#EXT-X-SESSION-KEY:METHOD=AES-128,URI="(url)""#,
        r#"#EXT-X-MAP:URI="(url)",BYTERANGE="720@0""#,
        r#"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a, URI=",NAME="b",URI="(url)""#,
        r#"#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="(url)",CODECS="avc1.4d401f,mp4a.40.2""#,
        r#"#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=1, URI="(url)""#,
        r#"#EXT-X-PART:DURATION=0.33,URI="(url)",INDEPENDENT=YES"#,
        r#"#EXT-X-PRELOAD-HINT:TYPE=PART,URI="(url)""#,
        r#"#EXT-X-RENDITION-REPORT:URI="(url)",LAST-MSN=1"#,
        r#"#EXT-X-SESSION-DATA:DATA-ID="a",URI="(url)""#,
        r#"#EXT-X-DATERANGE:ID="a",CLASS="com.apple.hls.interstitial",X-ASSET-URI="(url)""#,
        r#"#EXT-X-DATERANGE:ID="a",X-ASSET-LIST="(url)",X-RESUME-OFFSET=0"#,
        r#"#EXT-X-SOME-DAY:A=1,URI="(url)",B="x",URI="(url)""#,
        "  (url)\t",
    ] {
        let with = |url| format!("#EXTM3U\n{}\n#EXTINF:1,\nseg.ts\n", tag.replace("(url)", url));
        assert_eq!(playlist(&with("https://vod.example.com/vod/v1/a/b.x")), with("../a/b.x"), "{tag}");
        assert_eq!(
            playlist(&with("https://cdn.example.com/vod/v1/a/b.x")),
            with("https://cdn.example.com/vod/v1/a/b.x")
        );
    }
}

#[test]
fn nothing_else_in_a_line_is_a_url() {
    for line in [
        "#/vod/v1/comment.ts",
        "# URI=\"/vod/v1/a.ts\"",
        "#EXTINF:10,URI=\"/vod/v1/title.ts\"",
        "#EXTINF:10,/vod/v1/title.ts",
        "#EXT-X-DEFINE:NAME=\"base\",VALUE=\"/vod/v1/a\"",
        "#EXT-X-SESSION-DATA:DATA-ID=\"a\",VALUE=\"URI=/vod/v1/a\"",
        "#EXT-X-MAP:URI=/vod/v1/unquoted.mp4",
        "#EXT-X-MAP:URI=\"/vod/v1/unclosed.mp4",
        "#EXT-X-MAP:uri=\"/vod/v1/a.mp4\"",
        "#EXT-X-MAP:X-URI=\"/vod/v1/a.mp4\"",
        "#EXT-X-MAP: \"URI=\"/vod/v1/a.mp4\"",
        "#EXT-X-MAP:A=\"x\"y,URI=\"/vod/v1/a.mp4\"",
        "#EXT-X-MAP URI=\"/vod/v1/a.mp4\"",
        "#EXT-X-MAP:",
        "#EXT-X-MAP:=,=,",
    ] {
        assert_eq!(playlist(line), line);
    }
}

#[test]
fn all_other_bytes_stay() {
    let text =
        |url: &str| format!("\u{feff}#EXTM3U\r\n\r\n#EXTINF:4.00,Ein Titel – 日本\r\n{url}\r\n\n\t\n#EXT-X-ENDLIST");
    assert_eq!(playlist(&text("/vod/v1/a.ts")), text("../a.ts"));
    assert_eq!(playlist("\u{feff}/vod/v1/a.ts"), "\u{feff}../a.ts");
    let homes = Homes::new(&"v1".parse().unwrap(), HOMES.map(|home| home.parse().unwrap()));
    let manifest = MediaPath::parse("/v1/manifest/video.m3u").unwrap().file();
    let relocation = Relocation { manifest, homes: &homes, parameter: None };
    let latin = b"#EXTM3U\n#EXTINF:1,caf\xe9\n/vod/v1/a.ts\n\xff\xfe/vod/v1/b.ts\n";
    let expected = b"#EXTM3U\n#EXTINF:1,caf\xe9\n../a.ts\n\xff\xfe/vod/v1/b.ts\n";
    assert_eq!(*rewrite(ManifestKind::Hls, latin, &relocation).unwrap(), expected[..]);
}

#[test]
fn a_token_goes_with_files_of_the_video_alone() {
    for (reference, expected) in [
        ("seg-1.ts", "seg-1.ts?token=h.p.s"),
        ("../hls/seg-1.ts?x=1#t", "../hls/seg-1.ts?x=1&token=h.p.s#t"),
        ("/vod/v1/hls/seg-1.ts", "../hls/seg-1.ts?token=h.p.s"),
        ("https://vod.example.com/vod/v1/a.ts?token=old", "../a.ts?token=h.p.s"),
        ("?_HLS_msn=1", "?_HLS_msn=1&token=h.p.s"),
        ("https://cdn.example.com/vod/v1/a.ts", "https://cdn.example.com/vod/v1/a.ts"),
        ("//cdn.example.com/a.ts", "//cdn.example.com/a.ts"),
        ("/vod/v2/a.ts", "/vod/v2/a.ts"),
        ("../../v2/a.ts", "../../v2/a.ts"),
        ("hls/", "hls/"),
        ("seg%201.ts", "seg%201.ts"),
        ("{$base}/a.ts", "{$base}/a.ts"),
        ("data:,a", "data:,a"),
        ("a\\b.ts", "a\\b.ts"),
    ] {
        let new = rewrite_at("manifest/video.m3u8", &HOMES, reference, Some(&parameter()));
        assert_eq!(new, expected, "{reference}");
        assert_eq!(rewrite_at("manifest/video.m3u8", &HOMES, &new, Some(&parameter())), expected, "{reference}");
    }
}

#[test]
fn no_server_steers_players_and_their_tokens_to_other_hosts() {
    for line in [
        "#EXT-X-CONTENT-STEERING:SERVER-URI=\"steering.json\",PATHWAY-ID=\"a\"",
        "#EXT-X-CONTENT-STEERING:SERVER-URI=\"https://cdn.example.com/steering\"",
        " # a comment, for some #EXT-X-CONTENT-STEERING:SERVER-URI=\"/vod/v1/steering.json\"",
        "#EXTINF:4\r#EXT-X-CONTENT-STEERING:SERVER-URI=\"x\"",
        "a.ts#EXT-X-CONTENT-STEERING:SERVER-URI=\"x\"",
    ] {
        let with = |line| format!("#EXTM3U\r\n{line}\r\n#EXT-X-STREAM-INF:BANDWIDTH=1,PATHWAY-ID=\"a\"\r\na.m3u8\r\n");
        let new = playlist(&with(line));
        assert_eq!(new.replace(' ', ""), with("").replace(' ', ""), "{line}");
    }
}

#[test]
fn a_token_does_not_become_a_variable() {
    for definition in [
        "#EXT-X-DEFINE:QUERYPARAM=\"token\"",
        "#EXT-X-DEFINE:NAME=\"a\",VALUE=\"QUERYPARAM\",QUERYPARAM=\"token\"",
        "#EXT-X-DEFINE:QUERYPARAM=\"other\",QUERYPARAM=\"token\"",
        "#EXT-X-DEFINE: QUERYPARAM =\"token\"",
        "#EXT-X-DEFINE:QUERYPARAM=token",
        "#EXT-X-DEFINE:QUERYPARAM=\"{$x}\"",
        "#EXT-X-DEFINE:QUERYPARAM=\"%74oken\"",
        "#EXT-X-DEFINE:QUERYPARAM=\"token",
        "#EXTINF:1,#EXT-X-DEFINE:QUERYPARAM=\"token\"",
        "#x\r#EXT-X-DEFINE:QUERYPARAM=\"token\"",
    ] {
        let text = format!("#EXTM3U\n{definition}\nhttps://cdn.example.com/{{$token}}.ts\n");
        let new = rewrite_at("manifest/video.m3u8", &HOMES, &text, Some(&parameter()));
        assert_eq!(new, "error: it reads the token from its own URL (`EXT-X-DEFINE:QUERYPARAM`)", "{definition}");
        assert_eq!(playlist(&text), text, "no token in the query: {definition}");
    }
    for other in ["QUERYPARAM=\"tokens\"", "QUERYPARAM=\"\"", "NAME=\"token\",VALUE=\"x\"", "IMPORT=\"token\""] {
        let text = format!("#EXTM3U\n#EXT-X-DEFINE:{other}\n#EXTINF:1,QUERYPARAM=\"token\"\n");
        assert_eq!(rewrite_at("manifest/video.m3u8", &HOMES, &text, Some(&parameter())), text);
    }
}

#[test]
fn a_manifest_may_lie_anywhere() {
    assert_eq!(rewrite_at("video.m3u8", &HOMES, "/vod/v1/hls/a.ts", None), "hls/a.ts");
    assert_eq!(rewrite_at("video.m3u8", &HOMES, "../v1/hls/a.ts", None), "hls/a.ts");
    assert_eq!(rewrite_at("a/b/c/video.m3u8", &HOMES, "/vod/v1/a/x/y.ts", None), "../../x/y.ts");
    assert_eq!(rewrite_at("a/b/c/video.m3u8", &HOMES, "../../../x.ts", None), "../../../x.ts");
    assert_eq!(rewrite_at("a/b/c/video.m3u8", &[], "../../../../x.ts", None), "../../../../x.ts");
    assert_eq!(rewrite_at("a/video.m3u8", &["h.example/"], "https://h.example/b/c.ts", None), "../b/c.ts");
}

#[test]
fn hostile_playlists_end_quickly() {
    quickly(|| playlist(&"/v1/a\n".repeat(1_000_000)));
    quickly(|| playlist(&"\n".repeat(2_000_000)));
    for tag in ["A=1,", "URI=\"/v1/a\",", "URI=\"", "URI=", "\",", "=", ":"] {
        quickly(|| playlist(&format!("#EXT-X-A:{}", tag.repeat(200_000))));
    }
    for path in ["../", "a/", "a/../", "/", "./", "%", "$", "?", "#", ":"] {
        quickly(|| playlist(&path.repeat(1_000_000)));
        quickly(|| playlist(&format!("/vod/v1/{}", path.repeat(1_000_000))));
    }
    let long = parameter_with(&"t".repeat(4000));
    let new = quickly(|| rewrite_at("video.m3u8", &HOMES, &"a\n".repeat(100_000), Some(&long)));
    assert_eq!(new, "error: rewritten, it would have more than 67108864 bytes");
}

fn playlist(text: &str) -> String {
    rewrite_at("manifest/video.m3u8", &HOMES, text, None)
}

/// One reference in the manifest of `v1`, and again what became of it.
#[track_caller]
fn check(reference: &str, expected: &str) {
    assert_eq!(playlist(reference), expected, "{reference}");
    assert_eq!(playlist(expected), expected, "{reference}, twice");
}
