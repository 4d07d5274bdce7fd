//! JSON as signers write it, read in one pass over its bytes.
//!
//! It gives up at whatever is rarer than that: an escape, a sign, a fraction, many members, and every mistake. Then
//! `serde_json` reads the text from its beginning, and alone says whether it is acceptable, and what is wrong with it and where.

use std::borrow::Cow;

use super::{FEW_MEMBERS, Json, MAX_DEPTH};

/// How many members the outermost object has room for at once; those in it have fewer.
const TYPICAL_MEMBERS: usize = 8;

/// The value, where [`Json::parse`] would return the same and `text` is plain.
pub(super) fn read(text: &[u8]) -> Option<Json<'_>> {
    let mut reader = Reader::new(text)?;
    let value = reader.value(0)?;
    reader.end()?;
    Some(value)
}

/// Reads a text from its beginning to its end. Nothing can be read any more once something was `None`.
pub(crate) struct Reader<'t> {
    text: &'t str,
    /// The first byte that is not read yet.
    at: usize,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(text: &'t [u8]) -> Option<Self> {
        Some(Self { text: std::str::from_utf8(text).ok()?, at: 0 })
    }

    /// Reads a value that lies inside `depth` others.
    fn value(&mut self, depth: usize) -> Option<Json<'t>> {
        match self.token()? {
            b'"' => self.text().map(|text| Json::Text(Cow::Borrowed(text))),
            b'{' if depth < MAX_DEPTH => self.object(depth + 1),
            b'[' if depth < MAX_DEPTH => self.array(depth + 1),
            digit @ b'0'..=b'9' => self.number(digit).map(|number| Json::Number(number.into())),
            b't' => self.word("rue", Json::Bool(true)),
            b'f' => self.word("alse", Json::Bool(false)),
            b'n' => self.word("ull", Json::Null),
            _ => None,
        }
    }

    /// The members of an object, after its brace.
    fn object(&mut self, depth: usize) -> Option<Json<'t>> {
        let mut members: Vec<(Cow<'t, str>, Json<'t>)> = Vec::new();
        let mut next = self.token()?;
        if next == b'}' {
            return Some(Json::Object(members));
        }
        if depth == 1 {
            members.reserve(TYPICAL_MEMBERS);
        }
        loop {
            if next != b'"' || members.len() == FEW_MEMBERS {
                return None;
            }
            let name = self.text()?;
            let is_new = members.iter().all(|(other, _)| other != name);
            if !is_new || self.token()? != b':' {
                return None;
            }
            members.push((Cow::Borrowed(name), self.value(depth)?));
            match self.token()? {
                b'}' => return Some(Json::Object(members)),
                b',' => next = self.token()?,
                _ => return None,
            }
        }
    }

    /// The elements of an array, after its bracket.
    fn array(&mut self, depth: usize) -> Option<Json<'t>> {
        let mut elements = Vec::new();
        self.skip_space();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(Json::Array(elements));
        }
        loop {
            elements.push(self.value(depth)?);
            match self.token()? {
                b']' => return Some(Json::Array(elements)),
                b',' => {}
                _ => return None,
            }
        }
    }

    /// A text without escapes, after its first quote.
    pub(crate) fn text(&mut self) -> Option<&'t str> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let length = until_special(rest)?;
        let text = self.text.get(self.at..self.at + length)?;
        self.at += length + 1;
        (rest[length] == b'"').then_some(text)
    }

    /// A whole number, after its first digit. What has more digits than this may be no integer of 64 bits.
    pub(crate) fn number(&mut self, first: u8) -> Option<u64> {
        const MAX_DIGITS: usize = 18;
        let digits = self.text.as_bytes().get(self.at..)?;
        let others = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
        if others >= MAX_DIGITS || (others > 0 && first == b'0') {
            return None;
        }
        self.at += others;
        let digits = std::iter::once(&first).chain(&digits[..others]);
        Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
    }

    /// What is left of a word after its first letter, which means `value`.
    pub(crate) fn word<T>(&mut self, rest: &str, value: T) -> Option<T> {
        let begins = self.text.as_bytes().get(self.at..)?.starts_with(rest.as_bytes());
        self.at += rest.len();
        begins.then_some(value)
    }

    /// The first byte that is no white space, which is read then.
    pub(crate) fn token(&mut self) -> Option<u8> {
        self.skip_space();
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// Nothing, where nothing but white space is left.
    pub(crate) fn end(&mut self) -> Option<()> {
        self.skip_space();
        (self.at == self.text.len()).then_some(())
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// How many bytes stand before the first that a text cannot have as it is: a quote, a backslash or a control character.
fn until_special(bytes: &[u8]) -> Option<usize> {
    const WORD: usize = size_of::<u64>();
    const EACH: u64 = u64::MAX / 0xff;
    // Eight bytes at once, since most texts are as short and end at another place each time, which no processor foresees. The
    // lowest byte that is marked is the first special one; the subtraction may mark others above it wrongly.
    let (words, _) = bytes.as_chunks::<WORD>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let zeros = |word: u64| word.wrapping_sub(EACH) & !word;
        let controls = word.wrapping_sub(EACH * u64::from(b' ')) & !word;
        let quotes = zeros(word ^ (EACH * u64::from(b'"')));
        let backslashes = zeros(word ^ (EACH * u64::from(b'\\')));
        let marked = (controls | quotes | backslashes) & (EACH << (u8::BITS - 1));
        if marked != 0 {
            return Some(index * WORD + marked.trailing_zeros() as usize / 8);
        }
    }
    let begun = words.len() * WORD;
    bytes[begun..].iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' ')).map(|place| begun + place)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write as _};
    use std::path::Path;

    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;

    const PAYLOAD: &str = r#"{"sub":"v1", "kid":"k1","exp":1800000000,"nbf":0,"downloadable":true,"jti":"a é","x":{},
        "y":[ ],"accessRules":[{"type":"ip.src","action":"allow","ip":["192.0.2.0/24","2001:db8::/32"]},
        {"type":"any","action":"block","ip":null,"country":[false,[[["deep"]]]]}] }"#;

    /// What is put into texts: all of the grammar, and mistakes.
    const PIECES: &[&str] = &[
        "",
        "{",
        "}",
        "[",
        "]",
        "[[[[",
        "]]]]",
        ",",
        ":",
        " ",
        "\n",
        "\t",
        "\r",
        "\x0b",
        "\u{a0}",
        "\u{feff}",
        "/",
        "'",
        "\"",
        "\"\"",
        "\"sub\"",
        "\"sub\":1,",
        "\"é\"",
        "\\",
        "\\\"",
        "\\u0073ub",
        "\\ud800",
        "\x00",
        "\x1f",
        "\x7f",
        "0",
        "00",
        "7",
        "-",
        "-1",
        "+1",
        ".5",
        "1.0",
        "e9",
        "E400",
        "999999999999999999",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "true",
        "tru",
        "false",
        "null",
        "NaN",
        "{\"a\":{\"a\":1}}",
        "{\"a\":1,\"a\":1}",
    ];

    #[test]
    fn what_signers_write_is_plain() {
        for text in [PAYLOAD, r#"{"alg":"RS256","kid":"k1"}"#, "[]", "{}", "\"\"", " 0 ", "999999999999999999", "null"]
        {
            assert!(same(text.as_bytes()), "{text}");
        }
        let members = |count| format!("{{{}}}", (0..count).map(|n| format!("\"{n}\":0")).collect::<Vec<_>>().join(","));
        assert!(same(members(FEW_MEMBERS).as_bytes()));
        for text in
            [&members(FEW_MEMBERS + 1), r#""\n""#, "1.5", "-1", "1e3", "1000000000000000000", r#"{"a":1,"a":1}"#]
        {
            assert!(!same(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn the_files_of_json_test_suite() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/json-test-suite/test_parsing");
        let Ok(files) = std::fs::read_dir(folder) else {
            writeln!(io::stderr(), "\nSKIPPED: JSONTestSuite is not in ../shared/vectors; nothing was checked")
                .unwrap();
            return;
        };
        let plain = files.filter(|file| same(&std::fs::read(file.as_ref().unwrap().path()).unwrap())).count();
        assert!(plain > 30, "{plain}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn any_pieces(pieces in prop::collection::vec(select(PIECES), 0..12)) {
            same(pieces.concat().as_bytes());
        }

        #[test]
        fn a_payload_with_other_pieces_in_it(
            edits in prop::collection::vec((any::<Index>(), 0..4_usize, select(PIECES)), 1..4),
        ) {
            let mut text = PAYLOAD.as_bytes().to_vec();
            for (at, length, piece) in edits {
                let at = at.index(text.len());
                text.splice(at..text.len().min(at + length), piece.bytes());
            }
            same(&text);
        }
    }

    /// Whether a text is plain. What is plain is what `serde_json` reads.
    #[track_caller]
    fn same(text: &[u8]) -> bool {
        let plain = read(text);
        if let Some(value) = &plain {
            let shown = String::from_utf8_lossy(text);
            assert!(serde_json::from_slice::<Json<'_>>(text).is_ok_and(|other| other == *value), "{shown}");
        }
        plain.is_some()
    }
}
