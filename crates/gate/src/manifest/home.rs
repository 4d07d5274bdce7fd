//! Where the files of a video are known to be, before the gate and at it.

use std::fmt;
use std::str::FromStr;

use vidpass_token::{VideoId, host_and_port};

/// One place of a video's files: a host, or none where only the path is known, and the folder that holds them.
///
/// `vod.example.com/vod/v1/` and `cdn.example.com:8443/v1/` have a host, `/account/v1/` has none. `http` and `https`
/// are alike, and their own ports go without saying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    host: Option<Host>,
    /// The names of the folder's path.
    folder: Box<[Box<str>]>,
}

/// Every place of one video's files, among them the gate's own: `/{uid}/`.
#[derive(Clone, Debug)]
pub(crate) struct Homes(Vec<Home>);

/// Why a text is not a [`Home`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum HomeError {
    /// The path is not that of a folder.
    #[error("`{0}` is not a folder's path, such as `/vod/v1/`, of plain characters")]
    Folder(Box<str>),
    /// What stands before the path is not a host.
    #[error("`{0}` is not a host, such as `example.com` or `example.com:8443`")]
    Host(Box<str>),
}

/// A host name or address as [`host_and_port`] writes it, and its port where that is not the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Host {
    name: Box<str>,
    port: Option<u16>,
}

impl Homes {
    /// The homes that an origin knows of the video `uid`, and the gate's.
    pub(crate) fn new(uid: &VideoId, of_origin: impl IntoIterator<Item = Home>) -> Self {
        let gate = Home { host: None, folder: [uid.as_str().into()].into() };
        Self(of_origin.into_iter().chain([gate]).collect())
    }

    /// How many of the `names` of a root-relative path belong to a home; `None` where it leads into none.
    pub(super) fn find_path(&self, names: &[&str]) -> Option<usize> {
        longest(self.0.iter(), names)
    }

    /// The same of a URL with an authority, after `//`. `default_port` is the scheme's, where one is written.
    pub(super) fn find_url(&self, authority: &str, default_port: Option<u16>, names: &[&str]) -> Option<usize> {
        let (name, port) = host_and_port(authority)?;
        let default = |port: &u16| default_port.map_or([80, 443].contains(port), |default| *port == default);
        let port = port.filter(|port| !default(port));
        let on = |host: &Host| host.name == name && host.port == port;
        longest(self.0.iter().filter(|home| home.host.as_ref().is_some_and(on)), names)
    }

    /// The names of each home's folder.
    pub(super) fn folders(&self) -> impl Iterator<Item = impl Iterator<Item = &str>> {
        self.0.iter().map(|home| home.folder.iter().map(|name| &**name))
    }
}

/// Of homes within each other the innermost counts.
fn longest<'a>(homes: impl Iterator<Item = &'a Home>, names: &[&str]) -> Option<usize> {
    let holds = |home: &&Home| {
        names.len() > home.folder.len() && home.folder.iter().zip(names).all(|(folder, name)| **folder == **name)
    };
    homes.filter(holds).map(|home| home.folder.len()).max()
}

impl FromStr for Home {
    type Err = HomeError;

    fn from_str(text: &str) -> Result<Self, HomeError> {
        let (host, path) = text.split_at(text.find('/').unwrap_or(text.len()));
        let host = match host {
            "" => None,
            host => {
                let (name, port) = host_and_port(host).ok_or_else(|| HomeError::Host(host.into()))?;
                let port = port.filter(|port| ![80, 443].contains(port));
                Some(Host { name, port })
            }
        };
        let folder = folder(path).ok_or_else(|| HomeError::Folder(path.into()))?;
        Ok(Self { host, folder })
    }
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            f.write_str(&host.name)?;
            host.port.map_or(Ok(()), |port| write!(f, ":{port}"))?;
        }
        self.folder.iter().try_for_each(|name| write!(f, "/{name}"))?;
        f.write_str("/")
    }
}

/// The names of a path that begins and ends with `/`.
fn folder(path: &str) -> Option<Box<[Box<str>]>> {
    let names = path.strip_prefix('/')?;
    if names.is_empty() {
        return Some(Box::default());
    }
    let plain = |name: &str| {
        !["", ".", ".."].contains(&name) && name.bytes().all(|c| c.is_ascii_graphic() && !br#"%\?#"<>{}"#.contains(&c))
    };
    names.strip_suffix('/')?.split('/').map(|name| plain(name).then(|| name.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_a_host_and_a_folder() {
        for good in [
            "/",
            "/a/v1/",
            "vod.example.com/",
            "vod.example.com/vod/v1/",
            "localhost:9000/v1/",
            "[2001:db8::1]:8080/v+1/",
            "192.0.2.7/v1/",
        ] {
            assert_eq!(good.parse::<Home>().unwrap().to_string(), good);
        }
        for bad in ["", "example.com", "/a", "a", "example.com/a", "//", "/a//", "/../", "/a/./", "/a%20b/", "/a?b/"] {
            assert!(matches!(bad.parse::<Home>(), Err(HomeError::Folder(_))), "{bad}");
        }
        for bad in ["user@example.com/", "example.com:/", "example.com:080/", "a b/", "[::g]/", "a:99999/", "https:/"] {
            assert!(matches!(bad.parse::<Home>(), Err(HomeError::Host(_))), "{bad}");
        }
    }

    #[test]
    fn the_innermost_home_counts() {
        let homes = ["/vod/", "h.example/vod/v1/", "/vod/v1/hls/"].map(|home| home.parse().unwrap());
        let homes = Homes::new(&"v1".parse().unwrap(), homes);
        let find = |path: &str| homes.find_path(&path.split('/').collect::<Vec<_>>());
        assert_eq!(find("vod/x"), Some(1));
        assert_eq!(find("vod/v1/x"), Some(2));
        assert_eq!(find("vod/v1/hls/x"), Some(3));
        assert_eq!(find("v1/x"), Some(1));
        assert_eq!(find("vod"), None);
        assert_eq!(find("other/x"), None);
    }

    #[test]
    fn a_host_is_compared_without_case_and_own_port() {
        check("h.example/", "H.EXAMPLE", Some(443), true);
        check("h.example/", "h.example:443", Some(443), true);
        check("h.example/", "h.example:443", Some(80), false);
        check("h.example/", "h.example:80", None, true);
        check("h.example:443/", "h.example", Some(80), true);
        check("h.example:8443/", "h.example:8443", Some(443), true);
        check("h.example:8443/", "h.example", Some(443), false);
        check("h.example/", "h.example.", Some(443), false);
        check("h.example/", "a.h.example", Some(443), false);
        check("h.example/", "h.example@evil.example", Some(443), false);
        check("h.example/", "evil@h.example", Some(443), false);
        check("/", "h.example", Some(443), false);
        check("[2001:db8:0::1]/", "[2001:DB8::1]", Some(443), true);
        check("[2001:db8::1]/", "[2001:0db8:0:0:0:0:0:1]:443", Some(443), true);
        check("[2001:db8::1]/", "[2001:db8::2]", Some(443), false);
    }

    #[track_caller]
    fn check(home: &str, authority: &str, default_port: Option<u16>, expected: bool) {
        let homes = Homes(vec![home.parse().unwrap()]);
        assert_eq!(homes.find_url(authority, default_port, &["x"]).is_some(), expected, "{home} for {authority}");
    }
}
