#!/bin/bash
# ffprobe lists the streams of the HLS and the DASH manifest through a token, and ffmpeg reads both to
# the last segment. Without a token both are refused. Prints one line per check; exits 1 at the first
# that fails.
set -euo pipefail

# Where viewers are served, if not by the same listener.
readonly gate=${VIDPASS_GATE_URL:-$VIDPASS_URL}
readonly FRAMES=500 # 20 seconds of 25
checks=0

main() {
    token=$(curl -sS --fail-with-body -X POST -H "Authorization: Bearer $VIDPASS_API_TOKEN" \
        "$VIDPASS_URL/client/v4/accounts/$VIDPASS_ACCOUNT_ID/stream/$VIDPASS_VIDEO_ID/token" | jq -r .result.token)
    # ffmpeg's HLS reader leaves out subtitle renditions; its DASH reader lists them.
    reads video.m3u8 "aac 48000 h264 320 h264 640"
    reads video.mpd "aac 48000 h264 320 h264 640 webvtt"
    refused video.m3u8
    refused video.mpd
    echo "ffmpeg: $checks checks passed"
}

reads() { # reads MANIFEST STREAMS
    local url="$gate/$token/manifest/$1"
    check "ffprobe lists the streams of $1" "$(streams "$url")" "$2"
    check "ffmpeg reads every frame of $1" "$(frames "$url")" "$FRAMES"
}

refused() { # refused MANIFEST
    local answer
    answer=$(ffprobe -v error "$gate/$VIDPASS_VIDEO_ID/manifest/$1" 2>&1) && answer="it was let in"
    check "ffprobe is refused $1 without a token" "$(grep -o 'Server returned 401 Unauthorized' <<<"$answer" || echo "$answer")" \
        "Server returned 401 Unauthorized"
}

# What a program says on its error output, without the token.
redacted() { # redacted COMMAND…
    "$@" 2> >(sed "s/$token/TOKEN/g" >&2)
}

streams() { # streams URL: codec and size or rate of each, sorted
    redacted ffprobe -v error -show_streams -of json "$1" |
        jq -r '[.streams[] | [.codec_name, .width // .sample_rate // empty] | join(" ")] | unique | join(" ")'
}

frames() { # frames URL: how many video frames were decoded; every stream is read, any error ends the program
    redacted ffmpeg -v error -xerror -nostdin -progress pipe:1 -i "$1" -map 0:V -map 0:a -f null - | sed -n 's/^frame=//p' | tail -1
}

check() { # check WHAT ACTUAL EXPECTED
    [ "$2" = "$3" ] || { echo "FAIL $1: got '$2', expected '$3'" >&2; exit 1; }
    checks=$((checks + 1))
    echo "ok   $1"
}

main
