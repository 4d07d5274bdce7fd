// However a manifest names the video's files, unmodified players carry the token to each of them, and to nobody else.
// VIDPASS_FOLDER is the video's folder, and VIDPASS_KNOWN_AS a URL of it that its origin knows. Prints one line per check; exits 1 at the first that fails.
import { check, issue, passed, site } from '../vidpass.mjs';
import { launch, look, open, settle } from './chromium.mjs';
import { startHost } from './host.mjs';
import { makeVariants } from './variants.mjs';

const { hls, dash } = makeVariants(process.env.VIDPASS_FOLDER);
const browser = await launch();
const host = await startHost();
try {
  const token = await issue();
  for (const variant of hls) await plays('hls.js', variant, token);
  for (const variant of [...hls, ...dash]) await plays('shaka', variant, token);
} finally {
  await browser.close();
  host.close();
}
passed('forms');

async function plays(engine, { name, path }, token) {
  const { page, problems } = await open(browser, 'about:blank');
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url())));
  const query = new URLSearchParams({ engine, src: `${site.gate}/${token}/${path}` });
  await page.goto(`${host.origin}/?${query}`);
  await settle(page, () => document.querySelector('video').currentTime > 0.5);
  const { time, frames } = await look(page);
  check(`${engine} plays ${name} (${frames} frames)`, time > 0.5 && frames > 5, true);
  const strangers = asked.filter(({ origin }) => ![site.gate, host.origin, 'null'].includes(origin));
  check(`${engine} asks nobody else for ${name}`, strangers.map(({ host }) => host), []);
  const ours = asked.filter(({ origin }) => origin === site.gate);
  const bare = ours.filter(({ pathname }) => !pathname.startsWith(`/${token}/`));
  check(`${engine} brings the token for ${name}, in ${ours.length} requests`, [ours.length > 2, bare.length, problems], [true, 0, []]);
  await page.close();
}
