// Opens the page at VIDPASS_LINK as a viewer does who was sent the link, and starts the video.
// Prints one line per check; exits 1 at the first that fails.
import { check, passed } from '../vidpass.mjs';
import { launch, look, open, settle } from './chromium.mjs';

const browser = await launch();
try {
  const { page, problems } = await open(browser, process.env.VIDPASS_LINK);
  await page.getByRole('button', { name: 'Play' }).click();
  await settle(page, () => document.querySelector('video').currentTime > 3);
  const { time, frames } = await look(page);
  check(`the link plays (${time.toFixed(1)} s, ${frames} frames)`, time > 3 && frames > 25, true);
  check('no request failed', problems, []);
} finally {
  await browser.close();
}
passed('link');
