//! Media types, by the extension of a file's name.

/// What a player can make nothing of anyway. Nothing here is ever a type that a browser runs scripts in.
const UNKNOWN: &str = "application/octet-stream";

/// The media type of a file with this extension, in any case.
pub(super) fn media_type(extension: Option<&str>) -> &'static str {
    let Some(extension) = extension.filter(|extension| extension.len() <= 8) else { return UNKNOWN };
    match extension.to_ascii_lowercase().as_str() {
        // Manifests: RFC 8216, section 4; ISO/IEC 23009-1, annex C.
        "m3u8" => "application/vnd.apple.mpegurl",
        "m3u" => "audio/mpegurl",
        "mpd" => "application/dash+xml",
        "mp4" | "m4v" | "cmfv" => "video/mp4",
        "m4a" | "cmfa" => "audio/mp4",
        "m4s" => "video/iso.segment",
        "cmft" => "application/mp4",
        "ts" | "m2ts" => "video/mp2t",
        "webm" => "video/webm",
        "weba" => "audio/webm",
        "mov" => "video/quicktime",
        "aac" => "audio/aac",
        "mp3" => "audio/mpeg",
        "ac3" => "audio/ac3",
        "ec3" => "audio/eac3",
        "opus" | "ogg" | "oga" => "audio/ogg",
        "flac" => "audio/flac",
        "vtt" => "text/vtt",
        "ttml" | "dfxp" => "application/ttml+xml",
        "srt" => "application/x-subrip",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "gif" => "image/gif",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        // Among them `key` (RFC 8216, section 4.3.2.4, names no type), and `html` and `svg` on purpose.
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_go_by_extension() {
        for (extension, expected) in [
            ("m3u8", "application/vnd.apple.mpegurl"),
            ("MPD", "application/dash+xml"),
            ("m4s", "video/iso.segment"),
            ("mp4", "video/mp4"),
            ("vtt", "text/vtt"),
            ("key", UNKNOWN),
            ("html", UNKNOWN),
            ("svg", UNKNOWN),
            ("xhtml", UNKNOWN),
            ("", UNKNOWN),
            ("mp4mp4mp4mp4", UNKNOWN),
        ] {
            assert_eq!(media_type(Some(extension)), expected, "{extension}");
        }
        assert_eq!(media_type(None), UNKNOWN);
    }
}
