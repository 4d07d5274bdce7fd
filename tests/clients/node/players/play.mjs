// Unmodified players in Debian's Chromium, on a page of another origin, play the video through a token,
// and show the denial that they get without a good one. Prints one line per check; exits 1 at the first
// that fails. Screenshots go to build/screenshots/ of the project.
import { CompactSign, importJWK } from 'jose';
import { api, check, issue, now, passed, site, withKey } from '../vidpass.mjs';
import { SCREENSHOTS, launch, look, open, settle } from './chromium.mjs';
import { startHost } from './host.mjs';

const LENGTH = 20;
const CUES = 5;
const PLAYERS = [
  { engine: 'hls.js', path: 'manifest/video.m3u8', cues: CUES },
  { engine: 'shaka', path: 'manifest/video.m3u8', cues: CUES },
  { engine: 'shaka', path: 'manifest/video.mpd', cues: CUES },
  { engine: 'native', path: 'downloads/default.mp4', cues: 0 },
].filter((player) => (process.env.VIDPASS_PLAYERS?.split(',') ?? [fileName(player)]).includes(fileName(player)));
const SHOTS = process.env.VIDPASS_SCREENSHOTS ?? '';

const browser = await launch();
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
  const { name, page, problems } = await embed(player, token);
  await settle(page, () => document.querySelector('video').currentTime > 3);
  const early = await look(page);
  check(`${name} plays (${early.time.toFixed(1)} s, ${early.frames} frames)`, early.time > 3 && early.frames > 25, true);
  await settle(page, (cues) => window.captions() === cues, player.cues);
  check(`${name} has ${player.cues} captions`, await page.evaluate(() => window.captions()), player.cues);
  await page.screenshot({ path: `${SCREENSHOTS}${SHOTS}playing-${fileName(player)}.png` });

  await page.evaluate((time) => { document.querySelector('video').currentTime = time; }, LENGTH - 3);
  await settle(page, () => document.querySelector('video').ended);
  const late = await look(page);
  check(`${name} seeks and plays to the end`, late.ended && Math.abs(late.time - LENGTH) < 0.2, true);
  check(`${name} had no failed request`, problems, []);
  await page.close();
}

async function isDenied(player, token, code) {
  const status = code === 'rule_blocked' ? 403 : 401;
  const { name, page } = await embed(player, token);
  await settle(page, () => window.told);
  check(`${name} is told ${code}`, await page.evaluate(() => window.told), { status, code, header: code });
  const [heading, message] = (await page.locator('#denial').innerText()).split('\n');
  check(`${name} shows it`, [heading, Boolean(message)], [`${status} ${code}`, true]);
  check(`${name} shows no picture`, (await look(page)).frames, 0);
  await page.screenshot({ path: `${SCREENSHOTS}${SHOTS}${code}-${fileName(player)}.png` });
  await page.close();
}

/** Opens the page of another site that embeds the video. */
async function embed({ engine, path }, token) {
  const query = new URLSearchParams({ engine, src: `${site.gate}/${token}/${path}` });
  return { name: `${engine} ${path.split('/').pop()}`, ...(await open(browser, `${host.origin}/?${query}`)) };
}

function fileName({ engine, path }) {
  return `${engine.replace('.', '')}-${path.split('.').pop()}`;
}
