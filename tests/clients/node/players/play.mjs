// Unmodified players in Debian's Chromium, on a page of another origin, play the video through a token,
// and show the denial that they get without a good one. Prints one line per check; exits 1 at the first
// that fails. Screenshots go to build/screenshots/ of the project.
import { fileURLToPath } from 'node:url';
import { CompactSign, importJWK } from 'jose';
import { chromium } from 'playwright-core';
import { api, check, issue, now, passed, site, withKey } from '../vidpass.mjs';
import { startHost } from './host.mjs';

const SCREENSHOTS = fileURLToPath(new URL('../../../../build/screenshots/', import.meta.url));
const LENGTH = 20;
const CUES = 5;
const PATIENCE = 30_000;
const PLAYERS = [
  { engine: 'hls.js', path: 'manifest/video.m3u8', cues: CUES },
  { engine: 'shaka', path: 'manifest/video.m3u8', cues: CUES },
  { engine: 'shaka', path: 'manifest/video.mpd', cues: CUES },
  { engine: 'native', path: 'downloads/default.mp4', cues: 0 },
];

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required'],
});
const host = await startHost();
try {
  await api('POST', `/stream/${site.video}/downloads`);
  const good = await issue({ downloadable: true });
  for (const player of PLAYERS) await plays(player, good);
  await withKey(async (key) => {
    for (const [code, token] of Object.entries(await badTokens(key)))
      for (const player of PLAYERS) await isDenied(player, token, code);
  });
} finally {
  await browser.close();
  host.close();
}
passed('players');

/** A token for each denial, by code. */
async function badTokens(key) {
  const privateKey = await importJWK(key.private);
  const sign = (claims) =>
    new CompactSign(Buffer.from(JSON.stringify({ kid: key.id, downloadable: true, ...claims })))
      .setProtectedHeader({ alg: 'RS256', kid: key.id }).sign(privateKey);
  return {
    token_expired: await sign({ sub: site.video, exp: now() - 1 }),
    video_not_owned: await sign({ sub: '0'.repeat(32), exp: now() + 600 }),
    rule_blocked: await issue({ downloadable: true, accessRules: [{ type: 'any', action: 'block' }] }),
    token_required: site.video,
  };
}

async function plays(player, token) {
  const { name, page, problems } = await open(player, token);
  await page.waitForFunction(() => document.querySelector('video').currentTime > 3, null, { timeout: PATIENCE })
    .catch(() => {});
  const early = await look(page);
  check(`${name} plays (${early.time.toFixed(1)} s, ${early.frames} frames)`, early.time > 3 && early.frames > 25, true);
  await page.waitForFunction((cues) => window.captions() === cues, player.cues, { timeout: PATIENCE }).catch(() => {});
  check(`${name} has ${player.cues} captions`, await page.evaluate(() => window.captions()), player.cues);
  await page.screenshot({ path: `${SCREENSHOTS}playing-${fileName(player)}.png` });

  await page.evaluate((time) => { document.querySelector('video').currentTime = time; }, LENGTH - 3);
  await page.waitForFunction(() => document.querySelector('video').ended, null, { timeout: PATIENCE }).catch(() => {});
  const late = await look(page);
  check(`${name} seeks and plays to the end`, late.ended && Math.abs(late.time - LENGTH) < 0.2, true);
  check(`${name} had no failed request`, problems, []);
  await page.close();
}

async function isDenied(player, token, code) {
  const status = code === 'rule_blocked' ? 403 : 401;
  const { name, page } = await open(player, token);
  await page.waitForFunction(() => window.told, null, { timeout: PATIENCE }).catch(() => {});
  check(`${name} is told ${code}`, await page.evaluate(() => window.told), { status, code, header: code });
  const shown = await page.locator('#denial').innerText();
  check(`${name} shows it`, shown.startsWith(`${status} ${code}\n`) && shown.length > `${status} ${code}\n`.length, true);
  check(`${name} shows no picture`, (await look(page)).frames, 0);
  await page.screenshot({ path: `${SCREENSHOTS}${code}-${fileName(player)}.png` });
  await page.close();
}

/** Opens the page, and collects every request to the gate that failed. */
async function open({ engine, path }, token) {
  const page = await browser.newPage({ viewport: { width: 720, height: 640 } });
  const problems = [];
  const file = (url) => new URL(url).pathname.split('/').slice(2).join('/');
  page.on('requestfailed', (request) => problems.push(`${file(request.url())} ${request.failure().errorText}`));
  page.on('response', (response) => {
    if (response.status() >= 400 && response.url().startsWith(site.url)) problems.push(`${file(response.url())} ${response.status()}`);
  });
  page.on('pageerror', (error) => problems.push(error.message));
  const query = new URLSearchParams({ engine, src: `${site.url}/${token}/${path}` });
  await page.goto(`${host.origin}/?${query}`);
  return { name: `${engine} ${path.split('/').pop()}`, page, problems };
}

function fileName({ engine, path }) {
  return `${engine.replace('.', '')}-${path.split('.').pop()}`;
}

function look(page) {
  return page.evaluate(() => {
    const video = document.querySelector('video');
    return { time: video.currentTime, ended: video.ended, frames: video.getVideoPlaybackQuality().totalVideoFrames };
  });
}
