// Files of a video, each opened in Debian's Chromium by itself: a film plays, and the script of a page or a drawing does not
// run. VIDPASS_OPENED is the address of the video. Exits 1 at the first check that fails.
import { check, passed } from '../vidpass.mjs';
import { launch } from './chromium.mjs';

const browser = await launch();
try {
  const page = await browser.newPage();
  await page.goto(`${process.env.VIDPASS_OPENED}/film.mp4`);
  // Not waited for: of a film that is blocked, this never ends. Asked from here, since nothing in the page runs by itself.
  await page.evaluate(() => void document.querySelector('video').play());
  const plays = () => page.evaluate(() => document.querySelector('video').currentTime > 0.5);
  for (let tries = 0; tries < 100 && !(await plays()); tries++) await page.waitForTimeout(100);
  check('film.mp4 plays', await plays(), true);
  for (const file of ['page.html', 'drawing.svg']) await runsNothing(file);
} finally {
  await browser.close();
}
passed('opened');

/** Chromium says so, or takes the file for a download. */
async function runsNothing(file) {
  const page = await browser.newPage();
  const blocked = page.waitForEvent('console', (message) => message.text().startsWith('Blocked script execution'));
  const downloaded = page.waitForEvent('download');
  const safe = Promise.any([blocked, downloaded]);
  await page.goto(`${process.env.VIDPASS_OPENED}/${file}`).catch(() => {});
  await safe;
  check(`${file} runs nothing`, (await page.title()) !== 'ran', true);
}
