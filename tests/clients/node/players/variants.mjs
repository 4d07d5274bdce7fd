// The sample video, as packagers and sites write its manifests: children that are relative, from the root, on the origin's
// host, by way of another folder; keys; parts of one file; and with what leads players to other hosts. Made by hand and with ffmpeg, below `variants` of the video's
// folder.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { site } from '../vidpass.mjs';

const SAMPLE = fileURLToPath(new URL('../../../../assets/sample-video/', import.meta.url));
const PLAYLISTS = ['video.m3u8', '360p/playlist.m3u8', '180p/playlist.m3u8', 'audio/playlist.m3u8', 'captions/en.m3u8'];

/** How a manifest that lies `depth` folders below the video's may write the video's own folder. */
const FORMS = {
  relative: (depth) => '../'.repeat(depth),
  'from the root': () => `/${site.account}/${site.video}/`,
  'by the uid': () => `/${site.video}/`,
  'by host': () => process.env.VIDPASS_KNOWN_AS,
  'by way of above': (depth) => `${'../'.repeat(depth + 1)}${site.video}/`,
};

const STEERING = '#EXT-X-CONTENT-STEERING:SERVER-URI="https://elsewhere.example/steering.json"\n';
const LOCATION = '<Location>https://elsewhere.example/variants/dash/video.mpd</Location>';

/** Makes all variants below `folder`, the video's own; gives the name and the path of each manifest. */
export function makeVariants(folder) {
  const variants = { hls: [{ name: 'byte ranges of one file', path: byteRanges(folder) }], dash: [] };
  for (const [form, own] of Object.entries(FORMS)) {
    const name = form.replaceAll(' ', '-');
    variants.hls.push({ name: `HLS ${form}`, path: playlists(folder, name, own) });
    variants.dash.push({ name: `DASH ${form}`, path: mpd(folder, name, { before: `${own(2)}manifest/` }) });
    variants.dash.push({ name: `DASH with a BaseURL ${form}`, path: mpd(folder, `${name}-base`, { first: `<BaseURL>${own(2)}manifest/</BaseURL>` }) });
  }
  for (const form of ['relative', 'by host']) {
    variants.hls.push({ name: `encrypted HLS ${form}`, path: encrypted(folder, form.replaceAll(' ', '-'), FORMS[form](2)) });
  }
  const { relative } = FORMS;
  variants.hls.push({ name: 'HLS that a server steers', path: playlists(folder, 'steered', relative, STEERING) });
  variants.dash.push({ name: 'DASH with a Location elsewhere', path: mpd(folder, 'location', { before: `${relative(2)}manifest/`, first: LOCATION }) });
  return variants;
}

/** The sample's playlists with all that they name in one form, and `first` in the one that names the others. */
function playlists(folder, name, own, first = '') {
  const there = `variants/hls-${name}`;
  cpSync(join(SAMPLE, 'manifest'), join(folder, there), { recursive: true });
  for (const playlist of PLAYLISTS) {
    const at = dirname(join(there, playlist));
    const named = (path) => `${own(at.split('/').length)}${at}/${path}`;
    const text = readFileSync(join(SAMPLE, 'manifest', playlist), 'utf8')
      .replace(/URI="([^"]+)"/g, (_, path) => `URI="${named(path)}"`)
      .replace(/^[^#\n].*$/gm, named);
    const full = playlist === 'video.m3u8' ? text.replace('\n', `\n${first}`) : text;
    writeFileSync(join(folder, there, playlist), full);
  }
  return `${there}/video.m3u8`;
}

/** The sample's MPD with `before` each reference, and `first` before all else in it. */
function mpd(folder, name, { before = '', first = '' }) {
  const path = `variants/dash/${name}.mpd`;
  const text = readFileSync(join(SAMPLE, 'manifest/video.mpd'), 'utf8')
    .replace(/(initialization|media)="|<BaseURL>/g, `$&${before}`)
    .replace(/<MPD[^>]*>/, `$&${first}`);
  mkdirSync(join(folder, dirname(path)), { recursive: true });
  writeFileSync(join(folder, path), text);
  return path;
}

/** Transport streams under AES-128, whose key is the video's own file; `own` is the video's folder, as it is written. */
function encrypted(folder, name, own) {
  const there = `variants/aes-${name}`;
  const file = (name) => join(folder, there, name);
  mkdirSync(join(folder, there), { recursive: true });
  writeFileSync(file('secret.key'), '0123456789abcdef');
  writeFileSync(file('key.info'), `${own}${there}/secret.key\n${file('secret.key')}\n`);
  ffmpeg('-hls_key_info_file', file('key.info'), '-hls_base_url', `${own}${there}/`, '-hls_segment_filename', file('%d.ts'), file('video.m3u8'));
  return `${there}/video.m3u8`;
}

function byteRanges(folder) {
  const path = 'variants/ranges/video.m3u8';
  mkdirSync(join(folder, dirname(path)), { recursive: true });
  ffmpeg('-hls_flags', 'single_file', '-hls_segment_type', 'fmp4', join(folder, path));
  return path;
}

/** Cuts the sample's one file into HLS. Nothing is encoded. */
function ffmpeg(...rest) {
  const input = ['-hide_banner', '-loglevel', 'error', '-nostdin', '-y', '-i', join(SAMPLE, 'downloads/default.mp4')];
  execFileSync('ffmpeg', [...input, '-c', 'copy', '-f', 'hls', '-hls_time', '4', '-hls_playlist_type', 'vod', ...rest]);
}
