// The site that embeds the video: a static server on an origin of its own, so that CORS is real.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

const module = (name) => fileURLToPath(import.meta.resolve(name));
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const files = {
  '/': [here('page.html'), 'text/html'],
  '/embed': [here('embed.html'), 'text/html'],
  '/page.mjs': [here('page.mjs'), 'text/javascript'],
  '/hls.js': [module('hls.js/dist/hls.js'), 'text/javascript'],
  '/shaka-player.js': [module('shaka-player/dist/shaka-player.compiled.js'), 'text/javascript'],
};

/** Starts it on a free port; `close()` stops it. */
export async function startHost() {
  const server = createServer(async (request, response) => {
    const file = files[new URL(request.url, 'http://host').pathname];
    if (!file) return response.writeHead(404).end();
    response.writeHead(200, { 'content-type': file[1] }).end(await readFile(file[0]));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { origin: `http://localhost:${server.address().port}`, close: () => server.close() };
}
