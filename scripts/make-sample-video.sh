#!/bin/bash
# Makes assets/sample-video: 20 seconds of test pattern with a burnt-in clock and a tone.
#
# The segments are CMAF (fragmented MP4) and are packaged once; the HLS and the DASH manifest
# share them. Every URL in a manifest is relative and points below the manifest's own folder, so
# that whatever stands before it in the path (a token or a uid) is carried along by the player.
# The result is checked in. The same ffmpeg makes the same bytes: one thread, no dates, no versions.
#
# Needs ffmpeg with libx264 and the font DejaVu Sans Mono (Debian: ffmpeg, fonts-dejavu-core).
set -euo pipefail
cd "$(dirname "$0")/.."

readonly OUT=assets/sample-video
readonly SECONDS_LONG=20 FPS=25 SEGMENT=4
readonly SEGMENTS=$((SECONDS_LONG / SEGMENT))
# name width height bits-per-second profile-level (as in RFC 6381) of each rendition.
readonly RENDITIONS=(
    "360p 640 360 320000 avc1.42C01E 3.0"
    "180p 320 180 110000 avc1.42C00D 1.3"
)
readonly VIDEO_TIMESCALE=12800 AUDIO_RATE=48000 AUDIO_BITS=48000

run_ffmpeg() {
    ffmpeg -hide_banner -loglevel error -nostdin -y -threads 1 -fflags +bitexact "$@"
}

picture() { # picture NAME WIDTH HEIGHT: the filter graph of one rendition
    local text="drawtext=font=DejaVu Sans Mono:fontcolor=white:box=1:boxcolor=black@0.8"
    echo "smptehdbars=size=$2x$3:rate=${FPS}[bars];" \
        "testsrc=size=$(($3 * 2 / 5))x$(($3 * 2 / 5)):rate=$FPS,hue=s=0.4[moving];" \
        "[bars][moving]overlay=x=mod(t*$(($2 / SECONDS_LONG))\,W-w):y=H*0.16," \
        "$text:fontsize=$(($3 / 7)):boxborderw=$(($3 / 36)):x=(w-tw)/2:y=h*0.59:text='%{pts\:hms}'," \
        "$text:fontsize=$(($3 / 15)):boxborderw=$(($3 / 60)):x=w*0.03:y=h*0.05:text='vidpass sample video $1'," \
        "format=yuv420p[picture]"
}

# One CMAF track, cut every $SEGMENT seconds: $OUT/manifest/NAME/{init.mp4,1.m4s,…,playlist.m3u8}.
package() { # package NAME ENCODER-OPTIONS…
    local name=$1 dir="$OUT/manifest/$1"
    shift
    mkdir -p "$dir"
    run_ffmpeg "$@" -map_metadata -1 -flags:v +bitexact -flags:a +bitexact \
        -f hls -hls_segment_type fmp4 -hls_segment_options movflags=+frag_custom+dash+delay_moov+cmaf \
        -hls_playlist_type vod -hls_time "$SEGMENT" -start_number 1 \
        -hls_flags independent_segments -hls_fmp4_init_filename init.mp4 \
        -hls_segment_filename "$dir/%d.m4s" "$dir/playlist.m3u8"
    [ "$(find "$dir" -name '*.m4s' | wc -l)" -eq "$SEGMENTS" ] || { echo "$name: not $SEGMENTS segments" >&2; exit 1; }
}

video() { # video NAME WIDTH HEIGHT BITS CODEC LEVEL
    # No B-frames and a closed group of pictures per segment: every segment starts at a multiple of 4 s.
    package "$1" -filter_complex "$(picture "$1" "$2" "$3")" -map '[picture]' -t "$SECONDS_LONG" \
        -c:v libx264 -threads 1 -profile:v baseline -level "$6" -preset veryslow -tune animation \
        -b:v "$4" -maxrate "$4" -bufsize "$4" -bf 0 -g $((FPS * SEGMENT)) -keyint_min $((FPS * SEGMENT)) -sc_threshold 0 \
        -video_track_timescale "$VIDEO_TIMESCALE"
}

audio() {
    # A quiet tone that beeps each second, so that a listener can count along with the clock. It ends a
    # little early: the encoder puts one frame in front, which would spill into a sixth segment.
    package audio -filter_complex "sine=frequency=330:beep_factor=3:sample_rate=$AUDIO_RATE,volume=0.4" \
        -t "$((SECONDS_LONG - 1)).98" -c:a aac -b:a "$AUDIO_BITS" -ac 1
}

captions() {
    mkdir -p "$OUT/manifest/captions"
    {
        printf 'WEBVTT\n'
        local start
        for ((start = 0; start < SECONDS_LONG; start += SEGMENT)); do
            printf '\n00:00:%02d.000 --> 00:00:%02d.000\n' "$start" $((start + SEGMENT))
            printf 'Segment %d of %d: from second %d to second %d.\n' \
                $((start / SEGMENT + 1)) "$SEGMENTS" "$start" $((start + SEGMENT))
        done
    } >"$OUT/manifest/captions/en.vtt"
    cat >"$OUT/manifest/captions/en.m3u8" <<-END
	#EXTM3U
	#EXT-X-VERSION:7
	#EXT-X-TARGETDURATION:$SECONDS_LONG
	#EXT-X-MEDIA-SEQUENCE:1
	#EXT-X-PLAYLIST-TYPE:VOD
	#EXTINF:$SECONDS_LONG.000000,
	en.vtt
	#EXT-X-ENDLIST
	END
}

hls_master() {
    {
        cat <<-END
		#EXTM3U
		#EXT-X-VERSION:7
		#EXT-X-INDEPENDENT-SEGMENTS
		#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Tone",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="1",URI="audio/playlist.m3u8"
		#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="captions",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,FORCED=NO,URI="captions/en.m3u8"
		END
        local name width height bits codec
        for rendition in "${RENDITIONS[@]}"; do
            read -r name width height bits codec _ <<<"$rendition"
            printf '#EXT-X-STREAM-INF:BANDWIDTH=%d,CODECS="%s,mp4a.40.2",RESOLUTION=%dx%d,FRAME-RATE=%d.000,AUDIO="audio",SUBTITLES="captions"\n' \
                $((bits * 3 / 2 + AUDIO_BITS)) "$codec" "$width" "$height" "$FPS"
            printf '%s/playlist.m3u8\n' "$name"
        done
    } >"$OUT/manifest/video.m3u8"
}

segment_template() { # segment_template NAME TIMESCALE: exact durations, taken from the media playlist
    printf '<SegmentTemplate timescale="%d" startNumber="1"' "$2"
    # shellcheck disable=SC2016 # the dollars are DASH's
    printf ' initialization="$RepresentationID$/init.mp4" media="$RepresentationID$/$Number$.m4s"><SegmentTimeline>'
    awk -F '[:,]' -v scale="$2" '/^#EXTINF/ { printf "<S d=\"%d\"/>", $2 * scale + 0.5 }' "$OUT/manifest/$1/playlist.m3u8"
    printf '</SegmentTimeline></SegmentTemplate>'
}

dash_manifest() {
    {
        cat <<-END
		<?xml version="1.0" encoding="UTF-8"?>
		<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="static" mediaPresentationDuration="PT${SECONDS_LONG}S" minBufferTime="PT${SEGMENT}S">
		  <Period id="1" start="PT0S">
		    <AdaptationSet id="1" contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1" par="16:9">
		      $(segment_template 360p "$VIDEO_TIMESCALE")
		END
        local name width height bits codec
        for rendition in "${RENDITIONS[@]}"; do
            read -r name width height bits codec _ <<<"$rendition"
            printf '      <Representation id="%s" codecs="%s" width="%d" height="%d" frameRate="%d" sar="1:1" bandwidth="%d"/>\n' \
                "$name" "$codec" "$width" "$height" "$FPS" "$bits"
        done
        cat <<-END
		    </AdaptationSet>
		    <AdaptationSet id="2" contentType="audio" mimeType="audio/mp4" lang="en" segmentAlignment="true" startWithSAP="1">
		      $(segment_template audio "$AUDIO_RATE")
		      <Representation id="audio" codecs="mp4a.40.2" audioSamplingRate="$AUDIO_RATE" bandwidth="$AUDIO_BITS">
		        <AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="1"/>
		      </Representation>
		    </AdaptationSet>
		    <AdaptationSet id="3" contentType="text" mimeType="text/vtt" lang="en">
		      <Role schemeIdUri="urn:mpeg:dash:role:2011" value="caption"/>
		      <Representation id="captions" bandwidth="256">
		        <BaseURL>captions/en.vtt</BaseURL>
		      </Representation>
		    </AdaptationSet>
		  </Period>
		</MPD>
		END
    } >"$OUT/manifest/video.mpd"
}

whole_file_and_thumbnail() {
    mkdir -p "$OUT/downloads" "$OUT/thumbnails"
    run_ffmpeg -i "$OUT/manifest/360p/playlist.m3u8" -i "$OUT/manifest/audio/playlist.m3u8" -map 0:v -map 1:a \
        -c copy -map_metadata -1 -movflags +faststart "$OUT/downloads/default.mp4"
    run_ffmpeg -ss $((SECONDS_LONG / 2)) -i "$OUT/downloads/default.mp4" -frames:v 1 -q:v 4 -flags:v +bitexact \
        -map_metadata -1 -update 1 "$OUT/thumbnails/thumbnail.jpg"
}

rm -rf "$OUT"/{manifest,downloads,thumbnails}
for rendition in "${RENDITIONS[@]}"; do
    read -ra fields <<<"$rendition"
    video "${fields[@]}"
done
audio
captions
hls_master
dash_manifest
whole_file_and_thumbnail
du -sh "$OUT"
