use http::header::HeaderValue;

use super::*;

const PROXY: &str = "10.0.0.1";
const X: ForwardedHeader = ForwardedHeader::XForwardedFor;
const F: ForwardedHeader = ForwardedHeader::Forwarded;

#[test]
fn an_untrusted_peer_is_the_viewer_whatever_it_says() {
    check(X, "192.0.2.7", &["203.0.113.9"], "192.0.2.7");
    check(X, "192.0.2.7", &[], "192.0.2.7");
    check(X, "192.0.2.7", &["unknown"], "192.0.2.7");
    check(F, "192.0.2.7", &["for=203.0.113.9"], "192.0.2.7");
    check(X, "2001:db8::7", &["203.0.113.9"], "2001:db8::7");
    check(X, "::ffff:192.0.2.7", &["203.0.113.9"], "192.0.2.7");
    check(X, "10.0.1.1", &["203.0.113.9"], "10.0.1.1");
}

#[test]
fn behind_a_trusted_proxy_the_first_untrusted_from_the_right_is_the_viewer() {
    check(X, PROXY, &["203.0.113.9"], "203.0.113.9");
    check(X, "::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9");
    check(X, "fd00::1", &["203.0.113.9"], "203.0.113.9");
    check(X, PROXY, &["1.1.1.1, 203.0.113.9"], "203.0.113.9");
    check(X, PROXY, &["1.1.1.1,203.0.113.9,10.0.0.2"], "203.0.113.9");
    check(X, PROXY, &["203.0.113.9, 10.0.0.3 ,\t10.0.0.2"], "203.0.113.9");
    check(X, PROXY, &["1.1.1.1", "203.0.113.9"], "203.0.113.9");
    check(X, PROXY, &["203.0.113.9", "10.0.0.2"], "203.0.113.9");
    check(X, PROXY, &["1.1.1.1, 203.0.113.9", "10.0.0.2, 10.0.0.3"], "203.0.113.9");
    check(X, PROXY, &["10.0.0.9, 203.0.113.9"], "203.0.113.9");
    check(X, PROXY, &["203.0.113.9, fd00::2"], "203.0.113.9");
    check(X, PROXY, &["203.0.113.9, ::ffff:10.0.0.2"], "203.0.113.9");
    check(X, PROXY, &["203.0.113.9, [fd00::2]:443, 10.0.0.2:8080"], "203.0.113.9");
}

#[test]
fn garbage_on_the_left_is_never_looked_at() {
    check(X, PROXY, &["unknown, 203.0.113.9"], "203.0.113.9");
    check(X, PROXY, &[", , 203.0.113.9"], "203.0.113.9");
    check(X, PROXY, &["\"", "203.0.113.9"], "203.0.113.9");
    check(F, PROXY, &["for=\"x, for=203.0.113.9"], "203.0.113.9");
    check(F, PROXY, &["for=9.9.9.9;by=\"\\, for=\"[2001:db8::9]\""], "2001:db8::9");
    check(F, PROXY, &["for=9.9.9.9;by=\"", "for=203.0.113.9;by=\"x\""], "203.0.113.9");
    check(F, PROXY, &["for=9.9.9.9, for=203.0.113.9;host=\"a,for=8.8.8.8\""], "203.0.113.9");
    check(F, PROXY, &["for=9.9.9.9, for=203.0.113.9;host=\"a\\\",for=8.8.8.8\""], "203.0.113.9");
}

#[test]
fn every_way_to_write_an_address() {
    for (written, address) in [
        ("203.0.113.9:80", "203.0.113.9"),
        ("203.0.113.9:0", "203.0.113.9"),
        ("2001:db8::9", "2001:db8::9"),
        ("2001:DB8:0:0::9", "2001:db8::9"),
        ("[2001:db8::9]", "2001:db8::9"),
        ("[2001:db8::9]:65535", "2001:db8::9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[::ffff:203.0.113.9]", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:80", "203.0.113.9"),
        ("64:ff9b::203.0.113.9", "64:ff9b::cb00:7109"),
    ] {
        check(X, PROXY, &[written], address);
        check(F, PROXY, &[&format!("for=\"{written}\"")], address);
    }
}

#[test]
fn forwarded_elements() {
    check(F, PROXY, &["for=203.0.113.9;proto=https;by=10.0.0.1"], "203.0.113.9");
    check(F, PROXY, &["proto=https; FOR = 203.0.113.9 ;by=10.0.0.1"], "203.0.113.9");
    check(F, PROXY, &["For=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17");
    check(F, PROXY, &["for=203.0.113.9, for=10.0.0.2"], "203.0.113.9");
    check(F, PROXY, &["for=203.0.113.9;;proto=https;"], "203.0.113.9");
    check(F, PROXY, &["for=1.1.1.1", "for=203.0.113.9", "for=10.0.0.2"], "203.0.113.9");
    for wrong in [
        "203.0.113.9",
        "by=203.0.113.9",
        "for=",
        "for",
        "for=\"",
        "for=\"203.0.113.9",
        "for=203.0.113.9\"",
        "for=203.0.113.9;for=1.1.1.1",
        ";",
        "for=\"203.0.113.9\\\"",
        "for=\"_gazonk\"",
        "for=_hidden, for=10.0.0.2",
        "for=203.0.113.9,",
    ] {
        check(F, PROXY, &[wrong], "unknown");
    }
}

#[test]
fn garbage_at_the_deciding_position_is_a_refusal() {
    for wrong in [
        "",
        " ",
        ",",
        "203.0.113.9,",
        "203.0.113.9, ",
        "unknown",
        "_hidden",
        "203.0.113.9, unknown",
        "203.0.113.9, unknown, 10.0.0.2",
        "203.0.113.9,,10.0.0.2",
        "example.com",
        "203.0.113",
        "203.0.113.9.1",
        "203.0.113.256",
        "0203.0.113.9",
        "3405803785",
        "0xcb.0.113.9",
        "203.0.113.9/32",
        "203.0.113.9:",
        "203.0.113.9:http",
        "203.0.113.9:65536",
        "203.0.113.9:-1",
        "203.0.113.9:+1",
        "203.0.113.9 1.1.1.1",
        "2001:db8::9%eth0",
        "fe80::1%25eth0",
        "[fe80::1%eth0]",
        "[fe80::1%1]:80",
        "[2001:db8::9",
        "2001:db8::9]",
        "[203.0.113.9]",
        "[[2001:db8::9]]",
        "[2001:db8::9]80",
        "2001:db8::g",
        ":::",
        "\"203.0.113.9\"",
        "for=203.0.113.9",
        "0.0.0.0",
        "::",
        "::ffff:0.0.0.0",
        "２03.0.113.9",
    ] {
        check(X, PROXY, &[wrong], "unknown");
    }
}

#[test]
fn a_trusted_proxy_that_names_nobody_is_a_refusal() {
    check(X, PROXY, &[], "unknown");
    check(X, PROXY, &["10.0.0.2, 10.0.0.3"], "unknown");
    check(F, PROXY, &["for=10.0.0.2"], "unknown");
    check(X, PROXY, &["203.0.113.9", ""], "unknown");
}

#[test]
fn only_the_configured_header_is_read() {
    let mut headers = HeaderMap::new();
    headers.insert(FORWARDED, HeaderValue::from_static("for=9.9.9.9"));
    headers.insert("x-real-ip", HeaderValue::from_static("9.9.9.9"));
    headers.insert("true-client-ip", HeaderValue::from_static("9.9.9.9"));
    headers.insert("cf-connecting-ip", HeaderValue::from_static("9.9.9.9"));
    headers.insert(&X_FORWARDED_FOR, HeaderValue::from_static("203.0.113.9"));
    assert_eq!(resolver(X).address(PROXY.parse().unwrap(), &headers), Ok("203.0.113.9".parse().unwrap()));
    headers.remove(&X_FORWARDED_FOR);
    assert_eq!(resolver(X).address(PROXY.parse().unwrap(), &headers), Err(Denial::ViewerAddressUnknown));
}

#[test]
fn a_thousand_entries() {
    let trusted = ["10.0.0.2"; 1000].join(", ");
    check(X, PROXY, &[&trusted], "unknown");
    check(X, PROXY, &[&format!("203.0.113.9, {trusted}")], "203.0.113.9");
    check(X, PROXY, &vec!["10.0.0.2"; 1000], "unknown");
    check(F, PROXY, &[&["for=10.0.0.2"; 1000].join(",")], "unknown");
    check(F, PROXY, &[&"\"".repeat(8000)], "unknown");
    check(F, PROXY, &[&"\\\"".repeat(4000)], "unknown");
}

#[test]
fn the_origin_is_that_of_the_page() {
    check_embedding(&[("origin", "https://example.com")], "example.com");
    check_embedding(&[("referer", "https://example.com/page?x=y")], "example.com");
    check_embedding(&[("origin", "http://a.example:8080"), ("referer", "https://b.example/")], "a.example:8080");
    check_embedding(&[("referer", "https://a.example/"), ("sec-fetch-site", "same-origin")], "a.example");
    check_embedding(&[("origin", "null"), ("referer", "https://b.example/")], "Hidden");
    check_embedding(&[("origin", "null"), ("sec-fetch-site", "same-origin")], "Hidden");
    check_embedding(&[("origin", "https://a.example"), ("origin", "https://b.example")], "Hidden");
    check_embedding(&[("referer", "about:blank")], "Hidden");
}

#[test]
fn a_page_without_an_origin_may_be_our_own() {
    check_embedding(&[], "Nowhere");
    check_embedding(&[("sec-fetch-site", "none")], "Nowhere");
    check_embedding(&[("sec-fetch-site", "same-origin")], "OwnPage");
    check_embedding(&[("sec-fetch-site", "same-site")], "Hidden");
    check_embedding(&[("sec-fetch-site", "cross-site")], "Hidden");
    check_embedding(&[("sec-fetch-site", "SAME-ORIGIN")], "Hidden");
    check_embedding(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")], "Hidden");
    check_embedding(&[("sec-fetch-site", "")], "Hidden");
}

fn resolver(header: ForwardedHeader) -> ViewerResolver {
    ViewerResolver::new(["10.0.0.0/24", "fd00::/8"].map(|text| text.parse().unwrap()).to_vec(), header)
}

#[track_caller]
fn check(header: ForwardedHeader, peer: &str, lines: &[&str], expected: &str) {
    let mut headers = HeaderMap::new();
    let name = if header == X { X_FORWARDED_FOR.clone() } else { FORWARDED };
    for line in lines {
        headers.append(&name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    let got = resolver(header).address(peer.parse().unwrap(), &headers);
    assert_eq!(got.map_or("unknown".to_owned(), |address| address.to_string()), expected, "{lines:?}");
}

#[track_caller]
fn check_embedding(lines: &[(&'static str, &str)], expected: &str) {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, value.parse().unwrap());
    }
    let shown = match embedding((&headers).into()) {
        Embedding::Site(origin) => origin.to_string(),
        other @ (Embedding::Hidden | Embedding::Nowhere | Embedding::OwnPage) => format!("{other:?}"),
    };
    assert_eq!(shown, expected, "{lines:?}");
}
