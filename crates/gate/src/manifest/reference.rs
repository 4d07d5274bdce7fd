//! References as manifests write them (RFC 3986, section 4).

use vidpass_token::is_segment;

/// The identifiers of a DASH template (ISO/IEC 23009-1, section 5.3.9.4.4).
const IDENTIFIERS: [&str; 5] = ["RepresentationID", "Number", "Bandwidth", "Time", "SubNumber"];

/// What a reference may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Where others start from: a folder, or a file whose name they replace.
    Base,
    /// A file.
    File,
    /// Files whose names have `$Number$` and the like in them.
    Template,
}

/// A reference that every reader takes apart in the same way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference<'a> {
    pub(super) start: Start<'a>,
    /// What follows the start, up to the query. It has neither `\` nor, but for templates, `%`.
    pub(super) path: &'a str,
    /// `?` and what follows up to the fragment, or nothing.
    pub(super) query: &'a str,
    /// `#` and what follows, or nothing.
    pub(super) fragment: &'a str,
}

/// Where the path of a reference starts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start<'a> {
    /// Where the manifest is.
    Here,
    /// At the root of the manifest's host.
    Root,
    /// At the root of a host; `default_port` is that of the scheme, where there is one.
    Host { authority: &'a str, default_port: Option<u16> },
}

/// A path without its `.` and `..`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Steps<'a> {
    /// How many folders up it leads before it leads down.
    pub(super) ups: usize,
    /// The names on the way down. The last is the file's, and empty where the path ends at a folder.
    pub(super) names: Vec<&'a str>,
}

impl<'a> Reference<'a> {
    /// `None` where readers could differ, or where there is nothing that this gate could serve: characters that some
    /// readers drop or turn into others, a variable, a scheme that is not HTTP.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let unsure = |c: u8| c <= b' ' || c == 0x7f || c == b'\\';
        if text.is_empty() || text.bytes().any(unsure) || text.contains("{$") {
            return None;
        }
        let (text, fragment) = text.split_at(text.find('#').unwrap_or(text.len()));
        let (place, query) = text.split_at(text.find('?').unwrap_or(text.len()));
        let (start, path) = split_start(place)?;
        Some(Self { start, path, query, fragment })
    }

    /// The steps of the path; `None` where it has an empty segment, an encoded one, or leads above the root.
    pub(super) fn steps(&self, form: Form) -> Option<Steps<'a>> {
        let mut steps = Steps { ups: 0, names: Vec::new() };
        let mut segments = self.path.split('/').peekable();
        if self.path.is_empty() && matches!(self.start, Start::Here) {
            return Some(steps);
        }
        while let Some(segment) = segments.next() {
            let last = segments.peek().is_none();
            match segment {
                "" if last => steps.names.push(""),
                "" => return None,
                "." | ".." => {
                    if segment == ".." && steps.names.pop().is_none() {
                        steps.ups += 1;
                    }
                    if last {
                        steps.names.push("");
                    }
                }
                name if is_encoded(name, form) => return None,
                name => steps.names.push(name),
            }
        }
        let above_root = steps.ups > 0 && !matches!(self.start, Start::Here);
        (!above_root).then_some(steps)
    }
}

/// Splits scheme and authority, or the `/` of the root, from the path.
fn split_start(text: &str) -> Option<(Start<'_>, &str)> {
    let (default_port, rest) = match text.split_once(':') {
        // A colon further on is in the path, or in an authority without a scheme.
        Some((scheme, _)) if scheme.contains('/') => (None, text),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some(80), rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Some(443), rest),
        Some(_) => return None,
        None => (None, text),
    };
    match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            (!authority.is_empty()).then_some((Start::Host { authority, default_port }, path))
        }
        None if default_port.is_some() => None,
        None => Some(rest.strip_prefix('/').map_or((Start::Here, rest), |path| (Start::Root, path))),
    }
}

/// Whether `name` may stand in a path that the gate serves; in a template, whatever its identifiers stand for.
pub(super) fn is_served(name: &str, form: Form) -> bool {
    match without_identifiers(name, form) {
        Some(name) => is_segment(&name),
        None => is_segment(name),
    }
}

fn is_encoded(name: &str, form: Form) -> bool {
    match without_identifiers(name, form) {
        Some(name) => name.contains('%'),
        None => name.contains('%'),
    }
}

/// A template's name with `x` for each identifier; `None` where it has none, or a `$` that is not of one.
fn without_identifiers(name: &str, form: Form) -> Option<String> {
    if form != Form::Template || !name.contains('$') {
        return None;
    }
    let mut plain = String::with_capacity(name.len());
    for (index, part) in name.split('$').enumerate() {
        match index % 2 {
            0 => plain.push_str(part),
            _ if is_identifier(part) => plain.push('x'),
            _ => return None,
        }
    }
    // An even number of parts is an odd number of `$`.
    (name.split('$').count() % 2 == 1).then_some(plain)
}

/// `Number`, or with a width: `Number%05d`.
fn is_identifier(text: &str) -> bool {
    let (name, width) = text.split_once('%').map_or((text, None), |(name, width)| (name, Some(width)));
    let digits = |width: &str| width.strip_suffix('d').is_some_and(|digits| digits.bytes().all(|c| c.is_ascii_digit()));
    IDENTIFIERS.contains(&name) && width.is_none_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_walked() {
        check("a/b.ts", Some((0, "a/b.ts")));
        check("./a/./b.ts", Some((0, "a/b.ts")));
        check("a/../b.ts", Some((0, "b.ts")));
        check("../b.ts", Some((1, "b.ts")));
        check("a/../../../b.ts", Some((2, "b.ts")));
        check("..", Some((1, "")));
        check("a/.", Some((0, "a/")));
        check("a/b/..", Some((0, "a/")));
        check("a/", Some((0, "a/")));
        check("/a/../b.ts", Some((0, "b.ts")));
        check("https://h/a/../b.ts?x#y", Some((0, "b.ts")));
        check("//h", Some((0, "")));
        check("?x", Some((0, "")));
        check("a-b/x:y.ts", Some((0, "a-b/x:y.ts")));
        check("a+b.ts", Some((0, "a+b.ts")));
    }

    #[test]
    fn what_readers_could_take_apart_differently_is_left() {
        for text in [
            "",
            " a",
            "a b",
            "a\tb",
            "a\nb",
            "\\a",
            "/\\evil.example/a",
            "a//b",
            "///a",
            "%2e%2e/a",
            "a%2fb",
            "a%41/../b",
            "/../a",
            "https://h/../a",
            "http:a",
            "https:/a",
            "data:,a",
            "skd://a",
            "a:b",
            "{$base}/a",
            "a?x={$y}",
            "file:///a",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn identifiers_of_templates_are_plain() {
        for (name, served) in [
            ("$Number$.m4s", true),
            ("$RepresentationID$", true),
            ("$Number%05d$-$Time$.m4s", true),
            ("seg-$Bandwidth%d$", true),
            ("$$.m4s", false),
            ("$Number", false),
            ("$Number$$", false),
            ("$Other$", false),
            ("$Number%05x$", false),
            ("a%20$Number$", false),
            (".$Number$", false),
        ] {
            assert_eq!(is_served(name, Form::Template), served, "{name}");
            assert!(!is_served(name, Form::File), "{name}");
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Option<(usize, &str)>) {
        let steps = Reference::parse(text).and_then(|reference| reference.steps(Form::File));
        let steps = steps.map(|steps| (steps.ups, steps.names.join("/")));
        assert_eq!(steps, expected.map(|(ups, names)| (ups, names.to_owned())), "{text}");
    }
}
