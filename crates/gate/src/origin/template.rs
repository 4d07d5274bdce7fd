//! Where the files of a video are below their origin.

use std::fmt;
use std::str::FromStr;

use vidpass_token::{AccountId, Permit, VideoId, is_segment};

/// The folder of a video below its origin: segments of the grammar of paths, and `{account}` and `{uid}` for the ids.
///
/// `{uid}` is always there, or all videos would be one. Without `{account}` an origin is for one account: accounts
/// name their videos themselves, and could name one as another account's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate(Box<[Segment]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    Account,
    Uid,
}

/// Why a text is not such a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A segment that is neither of the grammar nor a placeholder.
    #[error(
        "`{}` is not a segment: use `{{account}}`, `{{uid}}`, or letters, digits, `.`, `_`, `~` and `-` with no dot in front",
        .segment.escape_debug()
    )]
    Segment {
        /// The segment.
        segment: String,
    },
    /// Nothing in it tells one video from another.
    #[error("it has no `{{uid}}`, so all videos would have the same files")]
    UidMissing,
}

impl PathTemplate {
    /// The folder of the permitted video, with neither a `/` in front nor one at the end.
    #[must_use]
    pub fn of(&self, permit: &Permit) -> String {
        let mut folder = String::new();
        self.add_to(&mut folder, permit.account(), permit.video());
        folder
    }

    /// Adds the folder of a video to a path.
    pub(super) fn add_to(&self, path: &mut String, account: &AccountId, uid: &VideoId) {
        for (index, segment) in self.0.iter().enumerate() {
            path.push_str(if index == 0 { "" } else { "/" });
            path.push_str(match segment {
                Segment::Literal(literal) => literal,
                Segment::Account => account.as_str(),
                Segment::Uid => uid.as_str(),
            });
        }
    }
}

impl Default for PathTemplate {
    /// `{account}/{uid}`
    fn default() -> Self {
        Self([Segment::Account, Segment::Uid].into())
    }
}

impl FromStr for PathTemplate {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let segments = text.split('/').map(|segment| match segment {
            "{account}" => Ok(Segment::Account),
            "{uid}" => Ok(Segment::Uid),
            literal if is_segment(literal) => Ok(Segment::Literal(literal.into())),
            other => Err(TemplateError::Segment { segment: other.chars().take(64).collect() }),
        });
        let segments: Box<[Segment]> = segments.collect::<Result<_, _>>()?;
        if segments.contains(&Segment::Uid) { Ok(Self(segments)) } else { Err(TemplateError::UidMissing) }
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "/" })?;
            f.write_str(match segment {
                Segment::Literal(literal) => literal,
                Segment::Account => "{account}",
                Segment::Uid => "{uid}",
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_becomes_the_folder_of_a_video() {
        check("{account}/{uid}", "acme/intro");
        check("vod/{account}/{uid}", "vod/acme/intro");
        check("{uid}", "intro");
        check("{uid}/v1.2/{account}", "intro/v1.2/acme");
        check("~a/_b/-c/{uid}", "~a/_b/-c/intro");
        assert_eq!(PathTemplate::default().to_string(), "{account}/{uid}");
    }

    #[test]
    fn bad_templates_are_refused() {
        for (template, segment) in [
            ("", ""),
            ("/{uid}", ""),
            ("{uid}/", ""),
            ("a//{uid}", ""),
            (".", "."),
            ("../{uid}", ".."),
            ("{uid}/..", ".."),
            (".hidden/{uid}", ".hidden"),
            ("a%2fb/{uid}", "a%2fb"),
            ("a b/{uid}", "a b"),
            ("a\\b/{uid}", "a\\b"),
            ("a;b/{uid}", "a;b"),
            ("a?{uid}", "a?{uid}"),
            ("{uid}#x", "{uid}#x"),
            ("{uid}.mp4", "{uid}.mp4"),
            ("v-{uid}", "v-{uid}"),
            ("{account}{uid}", "{account}{uid}"),
            ("{video}/{uid}", "{video}"),
            ("{UID}", "{UID}"),
            ("{ uid }", "{ uid }"),
            ("é/{uid}", "é"),
            ("a\r\nb/{uid}", "a\r\nb"),
        ] {
            refuse(template, TemplateError::Segment { segment: segment.to_owned() });
        }
        refuse("vod/{account}", TemplateError::UidMissing);
        refuse("uid", TemplateError::UidMissing);
    }

    #[track_caller]
    fn check(template: &str, folder: &str) {
        let parsed: PathTemplate = template.parse().unwrap();
        let mut path = String::new();
        parsed.add_to(&mut path, &"acme".parse().unwrap(), &"intro".parse().unwrap());
        assert_eq!(path, folder);
        assert_eq!(parsed.to_string(), template);
    }

    #[track_caller]
    fn refuse(template: &str, error: TemplateError) {
        assert_eq!(template.parse::<PathTemplate>(), Err(error), "{template:?}");
    }
}
