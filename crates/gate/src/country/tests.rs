use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use super::*;

#[test]
fn the_embedded_database_knows_countries() {
    let source = CountrySource::embedded();
    check(&source, "8.8.8.8", "US");
    check(&source, "2001:4860:4860::8888", "US");
    check(&source, "194.14.0.1", "SE");
    check(&source, "192.168.1.1", "unknown");
    check(&source, "127.0.0.1", "unknown");
    check(&source, "::1", "unknown");
    assert_eq!(source.reload_if_changed().unwrap(), Reload::Unchanged);
}

#[test]
fn without_a_database_the_country_is_unavailable() {
    check(&CountrySource::unavailable(), "8.8.8.8", "unavailable");
}

#[test]
fn the_three_shapes_of_records() {
    let folder = tempfile::tempdir().unwrap();
    for (name, record) in [
        ("iso_code", map(&[("country", map(&[("iso_code", text("SE"))]))])),
        ("country_code", map(&[("country_code", text("SE")), ("asn", text("64500"))])),
        ("country", map(&[("asn", text("64500")), ("country", text("SE"))])),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, database(&record)).unwrap();
        let source = CountrySource::open(path).unwrap();
        check(&source, "1.2.3.4", "SE");
        check(&source, "200.2.3.4", "unknown");
        check(&source, "2001:db8::1", "unavailable"); // a database of IPv4 addresses alone
    }
}

#[test]
fn a_code_that_is_no_country_tells_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eu.mmdb");
    fs::write(&path, database(&map(&[("country_code", text("EU"))]))).unwrap();
    check(&CountrySource::open(path).unwrap(), "1.2.3.4", "unknown");
}

#[test]
fn what_is_no_country_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let open = || CountrySource::open(path.clone());
    assert!(matches!(open(), Err(CountryFileError::Read { .. })));
    fs::write(&path, "not a database").unwrap();
    assert!(matches!(open(), Err(CountryFileError::Damaged { .. })));
    fs::write(&path, database(&map(&[("asn", text("64500"))]))).unwrap();
    assert!(matches!(open(), Err(CountryFileError::NoCountries { .. })));
    assert!(matches!(CountrySource::open(folder.path().to_owned()), Err(CountryFileError::NotAFile { .. })));
}

#[test]
fn a_replaced_file_is_loaded_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("country.mmdb");
    let put = |bytes: &[u8]| {
        let new = folder.path().join("new");
        fs::write(&new, bytes).unwrap();
        fs::rename(new, &path).unwrap();
    };
    let of = |code| database(&map(&[("country_code", text(code))]));

    put(&of("SE"));
    let source = CountrySource::open(path.clone()).unwrap();
    assert_eq!(source.reload_if_changed().unwrap(), Reload::Unchanged);
    check(&source, "1.2.3.4", "SE");

    put(&of("NO"));
    check(&source, "1.2.3.4", "SE");
    assert_eq!(source.reload_if_changed().unwrap(), Reload::Replaced);
    check(&source, "1.2.3.4", "NO");

    put(&of("NO")[..40]);
    assert!(matches!(source.reload_if_changed(), Err(CountryFileError::Damaged { .. })));
    assert_eq!(source.reload_if_changed().unwrap(), Reload::Unchanged);
    check(&source, "1.2.3.4", "NO");

    fs::remove_file(&path).unwrap();
    assert!(matches!(source.reload_if_changed(), Err(CountryFileError::Read { .. })));
    assert_eq!(source.reload_if_changed().unwrap(), Reload::Unchanged);
    check(&source, "1.2.3.4", "NO");

    put(&of("FI"));
    assert_eq!(source.reload_if_changed().unwrap(), Reload::Replaced);
    check(&source, "1.2.3.4", "FI");

    fs::write(&path, b"").unwrap(); // cut short in place
    assert!(source.reload_if_changed().is_err());
    check(&source, "1.2.3.4", "FI");
}

#[test]
fn hostile_and_broken_files_are_never_loaded() {
    let Some(vectors) = vectors() else { return };
    let mut count = 0;
    for file in files_below(&vectors) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let broken = ["Broken", "Invalid", "broken"].iter().any(|word| name.contains(word));
        if !broken && !file.to_string_lossy().contains("bad-data") {
            continue;
        }
        count += 1;
        let error = CountrySource::open(file).expect_err(&name);
        assert!(matches!(error, CountryFileError::Damaged { .. }), "{name}: {error:?}");
    }
    assert_eq!(count, 25);
}

#[test]
fn good_files_answer() {
    let Some(vectors) = vectors() else { return };
    for name in ["GeoIP2-Country-Test.mmdb", "GeoLite2-Country-Test.mmdb", "GeoLite2-City-Test.mmdb"] {
        let source = CountrySource::open(vectors.join("test-data").join(name)).unwrap();
        check(&source, "2.125.160.216", "GB");
        check(&source, "89.160.20.112", "SE");
        check(&source, "2001:218::1", "JP");
        check(&source, "127.0.0.1", "unknown");
    }
    let other = CountrySource::open(vectors.join("test-data/GeoIP2-Anonymous-IP-Test.mmdb"));
    assert!(matches!(other, Err(CountryFileError::NoCountries { .. })));
}

#[track_caller]
fn check(source: &CountrySource, address: &str, expected: &str) {
    let got = match source.country(address.parse().unwrap()) {
        Country::Known(code) => code.to_string(),
        Country::Unknown => "unknown".to_owned(),
        Country::Unavailable => "unavailable".to_owned(),
    };
    assert_eq!(got, expected, "{address} in {source:?}");
}

fn vectors() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/maxmind-db");
    if !folder.is_dir() {
        // Past the capture of `eprintln!`, which nobody reads of a test that passes.
        writeln!(io::stderr(), "\nSKIPPED: MaxMind's test files are not in ../shared/vectors; nothing was checked")
            .unwrap();
        return None;
    }
    Some(folder)
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] });
    below.filter(|path| path.extension().is_some_and(|extension| extension == "mmdb")).collect()
}

/// A database whose one record is for `0.0.0.0/1`, and which has nothing for `128.0.0.0/1`.
fn database(record: &[u8]) -> Vec<u8> {
    // One node of two 24-bit records: 1 + 16 is the first byte of the data section, 1 is "nothing here".
    let mut file = vec![0, 0, 17, 0, 0, 1];
    file.extend([0; 16]);
    file.extend(record);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    file.extend(map(&[
        ("binary_format_major_version", number(5, 2)),
        ("binary_format_minor_version", number(5, 0)),
        ("build_epoch", [&[0x04, 0x02], &1_800_000_000_u32.to_be_bytes()[..]].concat()),
        ("database_type", text("Test")),
        ("description", map(&[("en", text("Test"))])),
        ("ip_version", number(5, 4)),
        ("languages", vec![0x01, 0x04, 0x42, b'e', b'n']),
        ("node_count", number(6, 1)),
        ("record_size", number(5, 24)),
    ]));
    file
}

fn map(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![7 << 5 | u8::try_from(members.len()).unwrap()];
    for (name, value) in members {
        bytes.extend(text(name));
        bytes.extend(value);
    }
    bytes
}

/// Up to 28 bytes, which is as many as the control byte can count.
fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 29);
    [&[2 << 5 | length], text.as_bytes()].concat()
}

/// An unsigned integer of one byte: type 5 is `u16`, 6 is `u32`.
fn number(kind: u8, value: u8) -> Vec<u8> {
    vec![kind << 5 | 1, value]
}
