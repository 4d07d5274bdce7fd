// The gate's own pages, `watch` and `iframe`, in Debian's Chromium: they play with sound and captions, where the video may
// be embedded and nowhere else, ask nobody but the gate, and say why when they are refused. Prints one line per check;
// exits 1 at the first that fails. Screenshots go to build/screenshots/ of the project.
import { CompactSign, importJWK } from 'jose';
import { api, check, issue, now, passed, site, withKey } from '../vidpass.mjs';
import { PHONE, SCREENSHOTS, WIDE, launch, look, open, settle } from './chromium.mjs';
import { startHost } from './host.mjs';

const CUES = 5;
const SIZES = { wide: WIDE, phone: PHONE };

const browser = await launch();
const [friend, stranger] = [await startHost(), await startHost()];
try {
  for (const size of Object.keys(SIZES)) await watchPlays(size);
  await keysAndCaptions();
  await optionsCount();
  await keyIsDeletedWhilePlaying();
  await pageIsRefused();
  await manifestLeadsElsewhere();
  await embed('everywhere');
  await api('POST', `/stream/${site.video}`, { allowedOrigins: [new URL(friend.origin).host] });
  await embed('on its own site');
  await foreignSiteIsRefused();
} finally {
  await api('POST', `/stream/${site.video}`, { allowedOrigins: [] });
  await browser.close();
  for (const host of [friend, stranger]) host.close();
}
passed('own pages');

async function watchPlays(size) {
  const { page, problems, hosts } = await visit(`${site.gate}/${await issue()}/watch`, SIZES[size]);
  await plays(`watch (${size})`, page, page.mainFrame());
  await page.screenshot({ path: `${SCREENSHOTS}watch-playing-${size}.png` });
  check(`watch (${size}) had no failed request`, problems, []);
  check(`watch (${size}) asked nobody else`, hosts(), [new URL(site.gate).host]);
  await page.close();
}

/** Starts the video in `frame` and sees it play, with its sound track and its captions. */
async function plays(name, page, frame) {
  await frame.getByRole('button', { name: 'Play' }).click();
  await settle(frame, () => document.querySelector('video').currentTime > 2);
  const { time, frames } = await look(frame);
  check(`${name} plays (${time.toFixed(1)} s, ${frames} frames)`, time > 2 && frames > 25, true);
  check(`${name} has sound`, await frame.evaluate(() => document.querySelector('video').webkitAudioDecodedByteCount > 0), true);
  await settle(frame, (cues) => window.document.querySelector('video').textTracks[0]?.cues?.length === cues, CUES);
  const captions = await frame.evaluate(() => [...document.querySelector('video').textTracks].map(({ label, mode, cues }) => [label, mode, cues.length]));
  check(`${name} shows captions`, captions, [['English', 'showing', CUES]]);
}

async function keysAndCaptions() {
  const { page } = await visit(`${site.gate}/${await issue()}/watch?preload=auto`, WIDE);
  const state = () => page.evaluate(() => {
    const { paused, muted, textTracks } = document.querySelector('video');
    return { paused, muted, captions: textTracks[0].mode };
  });
  await settle(page, () => document.querySelector('video').textTracks.length === 1 && document.querySelector('video').readyState > 2);
  check('it begins paused, with sound and captions', await state(), { paused: true, muted: false, captions: 'showing' });
  await page.keyboard.press('Tab');
  await page.keyboard.press('k');
  await page.keyboard.press('m');
  await page.getByRole('button', { name: 'Captions: English' }).click();
  check('keys and the button change that', await state(), { paused: false, muted: true, captions: 'disabled' });
  check('the button says so', await page.getByRole('button', { name: 'Captions: off' }).getAttribute('aria-pressed'), 'false');
  await page.keyboard.press('c');
  check('a key brings captions back', (await state()).captions, 'showing');
  await page.close();
}

async function optionsCount() {
  const token = await issue();
  const query = 'autoplay=true&muted&loop=true&controls=false&startTime=0m9s&poster=../other/x.jpg&letterboxColor=red';
  const { page } = await visit(`${site.gate}/${token}/watch?${query}`, WIDE);
  await settle(page, () => document.querySelector('video').currentTime > 9.5);
  const seen = await page.evaluate(() => {
    const { controls, loop, muted, poster, currentTime } = document.querySelector('video');
    return { controls, loop, muted, poster: poster.split('/').slice(4).join('/'), late: currentTime > 9.5 };
  });
  check('options of the query count', seen, { controls: false, loop: true, muted: true, poster: 'thumbnails/thumbnail.jpg', late: true });
  await page.close();
  const idle = await visit(`${site.gate}/${token}/watch?preload=none&poster=thumbnails/other.jpg`, WIDE);
  const asked = await idle.page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name.split('/').pop()));
  check('preload=none asks for no manifest', asked.some((name) => name.endsWith('.m3u8')), false);
  check('another poster is the video\'s own', asked.includes('other.jpg'), true);
  await idle.page.close();
}

/** What was fetched while the key was there plays; the next segment is refused, and the page says why. */
async function keyIsDeletedWhilePlaying() {
  const page = await withKey(async (key) => {
    const claims = { sub: site.video, kid: key.id, exp: now() + 600 };
    const privateKey = await importJWK(key.private);
    const sign = new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader({ alg: 'RS256', kid: key.id });
    const { page } = await visit(`${site.gate}/${await sign.sign(privateKey)}/watch`, WIDE);
    await settle(page, () => document.querySelector('video').readyState > 2);
    check('the start was fetched in time', await page.evaluate(() => document.querySelector('video').readyState > 2), true);
    return page;
  });
  await page.getByRole('button', { name: 'Play' }).click();
  await settle(page, () => !document.querySelector('.refusal').hidden);
  await saysWhy(page, 'while playing', 'This link was signed with a key that is not, or no longer, valid.', 'key_unknown');
}

async function pageIsRefused() {
  const token = await issue({ accessRules: [{ type: 'any', action: 'block' }] });
  const { page } = await visit(`${site.gate}/${token}/watch`, WIDE);
  await saysWhy(page, 'page', 'The rules of this link do not let you watch this video.', 'rule_blocked');
}

/** Whoever writes the manifest of one video would get at others through its page, where only the gate's pages may show them. */
async function manifestLeadsElsewhere() {
  const token = await issue();
  for (const child of ['/other/manifest/a.m3u8', '../../other/manifest/a.m3u8', '../%2e%2e/other/manifest/a.m3u8', `${site.gate}/other/manifest/a.m3u8`, '../own/a.m3u8']) {
    const { page } = await visit('about:blank', WIDE);
    const asked = [];
    await page.route('**/*.m3u8', (route) => {
      asked.push(new URL(route.request().url()).pathname.replace(token, 'token'));
      return route.fulfill({ body: `#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n${child}\n` });
    });
    await page.goto(`${site.gate}/${token}/watch?preload=auto`);
    await settle(page, () => !document.querySelector('.refusal').hidden);
    const own = child.startsWith('../own') ? ['/token/own/a.m3u8'] : [];
    check(`a page asks for ${child.replace(site.gate, '')}: ${own.length > 0}`, [...new Set(asked)], ['/token/manifest/video.m3u8', ...own]);
    await page.close();
  }
}

async function saysWhy(page, name, sentence, code) {
  const facts = await page.locator('.refusal dd').allInnerTexts();
  check(`a refused ${name} says why`, [await page.getByRole('heading').innerText(), facts[0]], [sentence, code]);
  check('and under which name it is in the log', /^[0-9a-f]{16}$/.test(facts[1]), true);
  check('its title says it too', await page.title(), sentence);
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    check(`nothing overflows (${size})`, await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
    await page.screenshot({ path: `${SCREENSHOTS}refused-${name.replaceAll(' ', '-')}-${size}.png` });
  }
  await page.close();
}

/** The page of another site, with our iframe in it. */
async function embed(where) {
  const { page, problems, hosts } = await visit(`${friend.origin}/embed?src=${site.gate}/${await issue()}/iframe`, WIDE);
  await settle(page, () => document.querySelector('iframe').src !== '');
  const frame = await (await page.locator('iframe').elementHandle()).contentFrame();
  await frame.waitForLoadState();
  await plays(`an iframe, embeddable ${where},`, page, frame);
  check(`an iframe, embeddable ${where}, had no failed request`, problems, []);
  check(`an iframe, embeddable ${where}, asked nobody else`, hosts(), [new URL(site.gate).host, new URL(friend.origin).host].sort());
  await page.screenshot({ path: `${SCREENSHOTS}iframe-playing.png` });
  await page.close();
}

async function foreignSiteIsRefused() {
  const { page } = await visit(`${stranger.origin}/embed?src=${site.gate}/${await issue()}/iframe`, WIDE);
  const frame = page.frameLocator('iframe');
  check('an iframe on another site is refused', await frame.locator('h1').innerText(), 'This video may not be played on this site.');
  check('and names the code', await frame.locator('dd').first().innerText(), 'origin_not_allowed');
  check('and has no video', await frame.locator('video').count(), 0);
  await page.screenshot({ path: `${SCREENSHOTS}iframe-refused.png` });
  await page.close();
}

/** Opens a page, and notes which hosts its requests go to. */
async function visit(url, viewport) {
  const asked = new Set();
  const page = await open(browser, 'about:blank', viewport);
  page.page.on('request', (request) => asked.add(new URL(request.url()).host));
  await page.page.goto(url);
  // What the page carries in itself has no host.
  return { ...page, hosts: () => [...asked].filter(Boolean).sort() };
}
