//! JSON read strictly: one value per member name at every depth, no deeper than [`MAX_DEPTH`].
//!
//! `serde_json::Value` keeps the last of two members with one name, and another reader of the same token
//! may keep the first; a text with two meanings is refused here (RFC 8725, section 2.10).

pub(crate) mod plain;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// How many arrays and objects may lie inside one another.
pub const MAX_DEPTH: usize = 8;

/// Up to how many members it is faster to look at each of them than to keep a table of their names.
const FEW_MEMBERS: usize = 16;

/// How much of a member's name is repeated where it is pointed at, in characters.
const MAX_NAME_SHOWN: usize = 64;

/// A JSON value whose objects have no two members of one name. Texts without escapes are where they were read.
#[derive(Clone, PartialEq)]
pub enum Json<'t> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number: an integer of 64 bits where it is written as one, else the nearest double.
    Number(serde_json::Number),
    /// A text.
    Text(Cow<'t, str>),
    /// A list of values.
    Array(Vec<Json<'t>>),
    /// Members in the order in which they were written.
    Object(Vec<(Cow<'t, str>, Json<'t>)>),
}

/// Why a text is not JSON that we read. It never repeats what it read, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct JsonError {
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted in bytes from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: String,
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        // `serde_json` appends the position, which has fields of its own here.
        let reason = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
        Self { line: error.line(), column: error.column(), reason: reason.to_owned() }
    }
}

impl<'t> Json<'t> {
    /// Reads one JSON value and nothing after it.
    ///
    /// # Errors
    /// [`JsonError`] where the text is not JSON (RFC 8259), has two members of one name, or is too deep.
    pub fn parse(text: &'t [u8]) -> Result<Self, JsonError> {
        match plain::read(text) {
            Some(value) => Ok(value),
            None => Ok(serde_json::from_slice(text)?),
        }
    }

    /// The same, with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> Json<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Json::Null => Json::Null,
            Json::Bool(value) => Json::Bool(value),
            Json::Number(number) => Json::Number(number),
            Json::Text(text) => Json::Text(owned(text)),
            Json::Array(elements) => Json::Array(elements.into_iter().map(Json::into_owned).collect()),
            Json::Object(members) => {
                Json::Object(members.into_iter().map(|(name, value)| (owned(name), value.into_owned())).collect())
            }
        }
    }

    /// What kind of value this is, for an error message.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::Text(_) => "a string",
            Json::Array(_) => "an array",
            Json::Object(_) => "an object",
        }
    }

    /// The member called `name`, where this is an object that has one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Json::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Array(_) => None,
        }
    }

    /// The text, where this is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => None,
        }
    }
}

/// A member's name as one step of a JSON pointer (RFC 6901, section 3), cut after 64 characters of the name.
///
/// Whatever else the name holds is still in it, control characters too: escape it before it goes into a line of text.
#[must_use]
pub fn pointer_token(name: &str) -> String {
    shortened(name).replace('~', "~0").replace('/', "~1")
}

/// The first characters of a text that somebody else wrote, for an error message.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(MAX_NAME_SHOWN).collect()
}

impl fmt::Debug for Json<'_> {
    // A body may hold a private key, so only the shape is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({})", self.kind())
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value { depth: 0 }.deserialize(deserializer)
    }
}

/// Reads a value that lies inside `depth` others.
#[derive(Clone, Copy)]
struct Value {
    depth: usize,
}

impl Value {
    fn inside<E: de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!("more than {MAX_DEPTH} arrays and objects inside one another")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Value {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json<'de>, E> {
        serde_json::Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(value)))
    }

    fn visit_string<E>(self, value: String) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json<'de>, A::Error> {
        let inside = self.inside()?;
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(inside)? {
            array.push(element);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json<'de>, A::Error> {
        let inside = self.inside()?;
        let mut members: Vec<(Cow<'de, str>, Json<'de>)> = Vec::new();
        let mut names = HashSet::new();
        while let Some(name) = entries.next_key_seed(Name)? {
            if members.len() == FEW_MEMBERS {
                names.extend(members.iter().map(|(name, _)| name.clone()));
            }
            let is_new = match members.len() {
                ..FEW_MEMBERS => members.iter().all(|(other, _)| *other != name),
                FEW_MEMBERS.. => names.insert(name.clone()),
            };
            if !is_new {
                return Err(de::Error::custom("an object has two members of one name"));
            }
            members.push((name, entries.next_value_seed(inside)?));
        }
        Ok(Json::Object(members))
    }
}

/// Reads a member's name.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_for_each_name_at_every_depth() {
        refused(r#"{"a":1,"a":1}"#, "line 1, column 10: an object has two members of one name");
        refused(r#"{"exp":1,"\u0065xp":2}"#, "line 1, column 19: an object has two members of one name");
        refused(r#"[{"x":[{"y":1,"y":2}]}]"#, "line 1, column 17: an object has two members of one name");
        assert!(Json::parse(br#"{"a":{"x":1},"b":{"x":1}}"#).is_ok());
        let many: Vec<String> = (0..3 * FEW_MEMBERS).map(|number| format!(r#""{number}":0"#)).collect();
        assert!(Json::parse(format!("{{{}}}", many.join(",")).as_bytes()).is_ok());
        for again in 0..many.len() {
            let text = format!("{{{},{}}}", many.join(","), many[again]);
            let problem = Json::parse(text.as_bytes()).unwrap_err();
            assert_eq!(problem.reason, "an object has two members of one name", "{again}");
        }
    }

    #[test]
    fn no_deeper_than_the_limit() {
        assert!(Json::parse(b"[[[[[[[[]]]]]]]]").is_ok());
        refused("[[[[[[[[[]]]]]]]]]", "line 1, column 10: more than 8 arrays and objects inside one another");
        refused(&"[".repeat(100_000), "line 1, column 9: more than 8 arrays and objects inside one another");
    }

    #[test]
    fn one_document_and_nothing_else() {
        for text in ["", "{} {}", "{},", "\u{feff}{}", "NaN", "{'a':1}", "// x\n{}", "[1,]", "\"\\ud800\"", "1E400"] {
            assert!(Json::parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(Json::parse(b"\"\xff\"").is_err());
    }

    #[test]
    fn a_name_is_one_step_of_a_pointer() {
        assert_eq!(pointer_token("ip"), "ip");
        assert_eq!(pointer_token("a/b~c~1"), "a~1b~0c~01");
        assert_eq!(pointer_token(&"é".repeat(65)), "é".repeat(64));
        assert_eq!(pointer_token(&"/".repeat(65)), "~1".repeat(64), "no escape is cut in half");
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        assert_eq!(Json::parse(text.as_bytes()).unwrap_err().to_string(), expected);
    }
}
