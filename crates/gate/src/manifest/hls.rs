//! HLS playlists (RFC 8216bis): the lines that are URLs, and the attributes of tags that are.

use std::borrow::Cow;
use std::ops::Range;

use super::ManifestError;
use super::reference::Form;
use super::relocation::Relocation;
use super::splice::Splice;

/// The attributes that hold a URL, whatever the tag: of a key, a map, a rendition, a part or an interstitial (`X-ASSET-…`).
const URL_ATTRIBUTES: [&[u8]; 3] = [b"URI", b"X-ASSET-URI", b"X-ASSET-LIST"];

/// What makes a player ask a server for other hosts to get the same paths from, and so send them the token. Without it
/// players take the first pathway. Some find it in the middle of a line too.
const STEERING: &[u8] = b"#EXT-X-CONTENT-STEERING";

/// What puts a part of the playlist's own URL into those that it names.
const DEFINITION: &[u8] = b"#EXT-X-DEFINE";
const QUERY_PARAMETER: &[u8] = b"QUERYPARAM";

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Every byte that is not of such a URL, nor of a tag about steering, stays as it is.
pub(super) fn rewrite<'a>(text: &'a [u8], relocation: &Relocation<'_>) -> Result<Cow<'a, [u8]>, ManifestError> {
    let from = relocation.base_folder();
    let mut splice = Splice::of(text);
    let mut at = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    for line in text[at..].split_inclusive(|byte| *byte == b'\n') {
        // Players ignore space around a line, so it hides neither a tag nor a URL.
        let start = at + line.len() - line.trim_ascii_start().len();
        at += line.len();
        let line = line.trim_ascii();
        if find(line, STEERING).is_some() {
            splice.replace(start..start + line.len(), b"")?;
            continue;
        }
        if relocation.parameter.is_some_and(|parameter| reads(line, parameter.name().as_bytes())) {
            return Err(ManifestError::ReadsToken);
        }
        for url in urls(line) {
            let url = start + url.start..start + url.end;
            let new =
                str::from_utf8(&text[url.clone()]).ok().and_then(|url| relocation.rewritten(url, Form::File, &from));
            if let Some(new) = new {
                splice.replace(url, new.as_bytes())?;
            }
        }
    }
    Ok(splice.finish())
}

/// Where in a line there are URLs.
fn urls(line: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let whole = (!line.is_empty() && !line.starts_with(b"#")).then_some(0..line.len());
    let list = line.iter().position(|byte| *byte == b':').filter(|_| line.starts_with(b"#EXT"));
    let attributes = list.map(|colon| Attributes { line, at: colon + 1 });
    let of_tag = attributes.into_iter().flatten().filter(|(name, _)| URL_ATTRIBUTES.contains(name));
    whole.into_iter().chain(of_tag.map(|(_, value)| value))
}

/// Whether a line defines a variable by the parameter `name` of the playlist's URL, or could be read so.
fn reads(line: &[u8], name: &[u8]) -> bool {
    let mut rest = find(line, DEFINITION).map_or(&b""[..], |at| &line[at..]);
    while let Some(at) = find(rest, QUERY_PARAMETER) {
        rest = &rest[at + QUERY_PARAMETER.len()..];
        if quoted(rest).is_none_or(|value| value == name || !value.iter().all(|byte| is_of_variable(*byte))) {
            return true;
        }
    }
    false
}

/// The value that follows an attribute's name, where it is plainly a quoted one.
fn quoted(text: &[u8]) -> Option<&[u8]> {
    let value = text.strip_prefix(b"=\"")?;
    Some(&value[..value.iter().position(|byte| *byte == b'"')?])
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn is_of_variable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_".contains(&byte)
}

/// The quoted attributes of a tag (section 4.2), each with its name and where its value is. It ends where the line is
/// not a list of attributes.
struct Attributes<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a [u8], Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = &self.line[self.at..];
            let equals = rest.iter().position(|byte| !is_of_name(*byte)).filter(|at| rest[*at] == b'=')?;
            let (name, value) = (rest[..equals].trim_ascii(), self.at + equals + 1);
            let quoted = self.line.get(value) == Some(&b'"');
            let (value, end) = if quoted { (value + 1, b'"') } else { (value, b',') };
            let length = self.line[value..].iter().position(|byte| *byte == end);
            let length = length.or_else(|| (!quoted).then(|| self.line.len() - value))?;
            let after = value + length + usize::from(quoted);
            self.at = if self.line.get(after) == Some(&b',') { after + 1 } else { self.line.len() };
            if quoted {
                return Some((name, value..value + length));
            }
        }
    }
}

/// Spaces do not belong into a list, and players skip them before a name.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"- \t".contains(&byte)
}
