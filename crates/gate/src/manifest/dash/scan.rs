//! Reads a DASH manifest in one pass.

use std::borrow::Cow;
use std::ops::Range;

use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};

use super::super::reference::Form;
use super::error::DashError;
use super::outline::{LevelId, Outline, Role, Url};

/// How deep elements may lie in each other. DASH needs about ten.
pub(super) const MAX_DEPTH: usize = 64;

/// The elements that may have a `BaseURL` of their own.
const LEVELS: [&[u8]; 4] = [b"MPD", b"Period", b"AdaptationSet", b"Representation"];

/// The elements that make players send the token elsewhere: to a server that tells them which hosts to take (ETSI TS 103
/// 998), to one that hears of their requests (section 5.9), or as part of the query in other URLs (annex I).
const FORWARDING: [&[u8]; 4] = [b"ContentSteering", b"Metrics", b"UrlQueryInfo", b"ExtUrlQueryInfo"];

/// An element that is not closed yet.
#[derive(Clone, Copy)]
struct Open {
    /// The level that it is, or lies in.
    level: Option<LevelId>,
    content: Content,
}

/// What an element holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Elements,
    Url,
    /// It is [`Role::Forwarding`].
    Forwarding,
    /// Nothing that counts: it lies in one that is.
    Forwarded,
}

/// Reads the events of a manifest, first to last.
struct Scan<'a> {
    outline: Outline<'a>,
    open: Vec<Open>,
    /// The URL whose element is open.
    url: Option<Url<'a>>,
    text: &'a str,
    /// How much of the text was read before the current event, and with it.
    event: Range<usize>,
}

/// Reads all of a manifest.
pub(super) fn outline(bytes: &[u8]) -> Result<Outline<'_>, DashError> {
    let text = str::from_utf8(bytes).map_err(|_| DashError::Encoding)?;
    let mut scan = Scan { outline: Outline::default(), open: Vec::new(), url: None, text, event: 0..0 };
    let mark = text.len() - text.trim_start_matches('\u{feff}').len();
    let mut reader = Reader::from_str(&text[mark..]);
    loop {
        let event = reader.read_event();
        let end = mark + usize::try_from(reader.buffer_position()).expect("a text lies in memory");
        scan.event = scan.event.end.max(mark)..end;
        let event = event.map_err(|source| DashError::Xml { at: end, source })?;
        if matches!(event, Event::Eof) {
            return scan.finish();
        }
        scan.read(event)?;
    }
}

impl<'a> Scan<'a> {
    fn read(&mut self, event: Event<'a>) -> Result<(), DashError> {
        match event {
            Event::Start(tag) => self.open(&tag),
            Event::Empty(tag) => {
                self.open(&tag)?;
                self.close(self.event.end)
            }
            Event::End(_) => self.close(self.event.start),
            Event::Text(text) => self.add(text.decode().map_err(|error| self.ill_formed(error))?),
            Event::CData(text) => self.add(text.decode().map_err(|error| self.ill_formed(error))?),
            Event::GeneralRef(entity) => {
                let text = self.resolve(&entity)?;
                self.add(text)
            }
            Event::Decl(declaration) => self.check_encoding(&declaration),
            Event::DocType(_) => Err(DashError::DocumentType),
            Event::Comment(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn finish(self) -> Result<Outline<'a>, DashError> {
        if self.outline.levels.is_empty() {
            return Err(DashError::Root);
        }
        if self.open.is_empty() { Ok(self.outline) } else { Err(DashError::Unclosed) }
    }

    fn open(&mut self, tag: &BytesStart<'_>) -> Result<(), DashError> {
        let name = tag.local_name();
        let name = name.as_ref();
        let outer = self.open.last().copied();
        if outer.is_none() && (name != b"MPD" || !self.outline.levels.is_empty()) {
            return Err(DashError::Root);
        }
        if self.open.len() == MAX_DEPTH {
            return Err(DashError::TooDeep);
        }
        let parent = outer.and_then(|outer| outer.level);
        match outer.map_or(Content::Elements, |outer| outer.content) {
            Content::Elements => {}
            Content::Url => return Err(DashError::ElementInUrl { at: self.event.end }),
            Content::Forwarding | Content::Forwarded => {
                self.open.push(Open { level: parent, content: Content::Forwarded });
                return Ok(());
            }
        }
        if FORWARDING.contains(&name) {
            self.begin_url(Role::Forwarding);
            self.open.push(Open { level: parent, content: Content::Forwarding });
            return Ok(());
        }
        let level = if LEVELS.contains(&name) { Some(self.outline.add_level(parent)?) } else { parent };
        self.add_attributes(tag, name, parent)?;
        let role = level.and_then(|level| text_role(name, level));
        let content = role.map_or(Content::Elements, |role| {
            self.begin_url(role);
            Content::Url
        });
        self.open.push(Open { level, content });
        Ok(())
    }

    /// The element that was opened just now is a URL.
    fn begin_url(&mut self, role: Role) {
        let (at, element) = (self.event.end..self.event.end, self.event.clone());
        self.url = Some(Url { at, element, text: Cow::Borrowed(""), role });
    }

    /// Ends the innermost element, whose content ends at `end`.
    fn close(&mut self, end: usize) -> Result<(), DashError> {
        if self.open.pop().is_some_and(|closed| closed.content == Content::Forwarded) {
            return Ok(());
        }
        let Some(mut url) = self.url.take() else { return Ok(()) };
        url.at.end = end;
        url.element.end = self.event.end;
        trim(&mut url.text);
        if let Role::Base { level } = url.role {
            self.outline.levels[level].bases.push(self.outline.urls.len());
        }
        self.outline.add_url(url)
    }

    /// Takes text into account that stands between tags.
    fn add(&mut self, text: Cow<'a, str>) -> Result<(), DashError> {
        match &mut self.url {
            Some(url) if url.text.is_empty() => url.text = text,
            Some(url) => url.text.to_mut().push_str(&text),
            None if self.open.is_empty() && !text.trim_ascii().is_empty() => return Err(DashError::Root),
            None => {}
        }
        Ok(())
    }

    /// The URLs of a tag that stands at `level`. A level's own tag stands further out: what it is linked to takes its
    /// place.
    fn add_attributes(
        &mut self,
        tag: &BytesStart<'_>,
        element: &[u8],
        level: Option<LevelId>,
    ) -> Result<(), DashError> {
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|error| self.ill_formed(error))?;
            let at = self.place_of(&attribute.value)?;
            let text = unescape(&self.text[at.clone()]).map_err(|_| DashError::Entity { at: at.end })?;
            let (name, prefix) = attribute.key.decompose();
            let link = prefix.is_some() && name.as_ref() == b"href";
            let leaf = level.zip(leaf_form(element, attribute.key.as_ref()));
            let role = match leaf {
                Some((level, form)) => Role::Leaf { level, form },
                None if link => Role::Link { level },
                None => continue,
            };
            let mut url = Url { element: at.clone(), at, text, role };
            trim(&mut url.text);
            self.outline.add_url(url)?;
        }
        Ok(())
    }

    /// Where a part of the text is that the reader gave out. An address within the text is that of its part; a copy has
    /// another one.
    fn place_of(&self, part: &[u8]) -> Result<Range<usize>, DashError> {
        let start = part.as_ptr().addr().checked_sub(self.text.as_ptr().addr());
        let place = start.map(|start| start..start + part.len());
        place.filter(|place| place.end <= self.text.len()).ok_or(DashError::Unplaced { at: self.event.end })
    }

    fn resolve(&self, entity: &BytesRef<'_>) -> Result<Cow<'a, str>, DashError> {
        let unknown = DashError::Entity { at: self.event.end };
        if let Some(character) = entity.resolve_char_ref().map_err(|_| unknown.clone())? {
            return Ok(Cow::Owned(character.to_string()));
        }
        let name = entity.decode().map_err(|error| self.ill_formed(error))?;
        resolve_predefined_entity(&name).map(Cow::Borrowed).ok_or(unknown)
    }

    fn check_encoding(&self, declaration: &BytesDecl<'_>) -> Result<(), DashError> {
        let Some(encoding) = declaration.encoding() else { return Ok(()) };
        let encoding = encoding.map_err(|error| self.ill_formed(error))?;
        let known = [&b"utf-8"[..], b"us-ascii"].iter().any(|known| encoding.eq_ignore_ascii_case(known));
        if known { Ok(()) } else { Err(DashError::Encoding) }
    }

    fn ill_formed(&self, error: impl Into<quick_xml::Error>) -> DashError {
        DashError::Xml { at: self.event.end, source: error.into() }
    }
}

/// What the text of an element is for, where it is a URL.
fn text_role(element: &[u8], level: LevelId) -> Option<Role> {
    match element {
        b"BaseURL" => Some(Role::Base { level }),
        b"Location" => Some(Role::Location),
        b"PatchLocation" => Some(Role::Patch),
        _ => None,
    }
}

/// What an attribute may be, where it is a URL.
fn leaf_form(element: &[u8], attribute: &[u8]) -> Option<Form> {
    match (element, attribute) {
        (b"SegmentTemplate", b"media" | b"initialization" | b"index" | b"bitstreamSwitching") => Some(Form::Template),
        (b"SegmentURL", b"media" | b"index") => Some(Form::File),
        (b"Initialization" | b"RepresentationIndex" | b"BitstreamSwitching", b"sourceURL") => Some(Form::File),
        _ => None,
    }
}

/// Without the space around it (XML Schema, `anyURI`).
fn trim(text: &mut Cow<'_, str>) {
    let space = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    match text {
        Cow::Borrowed(text) => *text = text.trim_matches(space),
        Cow::Owned(owned) => *owned = owned.trim_matches(space).to_owned(),
    }
}
