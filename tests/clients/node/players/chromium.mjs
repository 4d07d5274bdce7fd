// Debian's Chromium, and what the programs here look at in a page of it.
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { site } from '../vidpass.mjs';

export const SCREENSHOTS = fileURLToPath(new URL('../../../../build/screenshots/', import.meta.url));
const PATIENCE = 30_000;

// The background-networking flags keep Chromium from asking for Google's hosts.
export const launch = () => chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required'],
});

/** The windows that pages are looked at in. */
export const WIDE = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

/** Opens a page; `problems` collects every request that failed and every error of a script, without tokens. */
export async function open(browser, url, viewport = { width: 720, height: 640 }) {
  const page = await browser.newPage({ viewport });
  const problems = [];
  const file = (url) => new URL(url).pathname.split('/').slice(2).join('/');
  page.on('requestfailed', (request) => {
    // A player that seeks gives up what it no longer needs. What a server breaks off has another name.
    const { errorText } = request.failure();
    if (errorText !== 'net::ERR_ABORTED') problems.push(`${file(request.url())} ${errorText}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400 && response.url().startsWith(site.gate)) problems.push(`${file(response.url())} ${response.status()}`);
  });
  page.on('pageerror', (error) => problems.push(error.name));
  await page.goto(url);
  return { page, problems };
}

/** Waits until `condition` holds in the page, or for long enough. The caller checks which it was. */
export const settle = (page, condition, argument) =>
  page.waitForFunction(condition, argument, { timeout: PATIENCE }).catch(() => {});

/** What the <video> of a page, or of a frame, shows now. */
export const look = (page) => page.evaluate(() => {
  const video = document.querySelector('video');
  return { time: video.currentTime, ended: video.ended, frames: video.getVideoPlaybackQuality().totalVideoFrames };
});
