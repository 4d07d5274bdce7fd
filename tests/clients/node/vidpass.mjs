// What every program here shares: where the server is, its API without an SDK, and checks.
import { isDeepStrictEqual } from 'node:util';

export const site = {
  url: process.env.VIDPASS_URL,
  // Where viewers are served, if not by the same listener: a proxy in front, say.
  gate: process.env.VIDPASS_GATE_URL ?? process.env.VIDPASS_URL,
  account: process.env.VIDPASS_ACCOUNT_ID,
  apiToken: process.env.VIDPASS_API_TOKEN,
  video: process.env.VIDPASS_VIDEO_ID,
};

export const now = () => Math.floor(Date.now() / 1000);

let checks = 0;

/** Prints one line, or ends the program. Nobody may put a token or a key in `what`, `actual` or `expected`. */
export function check(what, actual, expected) {
  if (!isDeepStrictEqual(actual, expected)) {
    console.error(`FAIL ${what}: got ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`);
    process.exit(1);
  }
  checks += 1;
  console.log(`ok   ${what}`);
}

export const passed = (program) => console.log(`${program}: ${checks} checks passed`);

/** One call below the account; its `result`. */
export async function api(method, path, body) {
  const response = await fetch(`${site.url}/client/v4/accounts/${site.account}${path}`, {
    method,
    headers: { authorization: `Bearer ${site.apiToken}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  const { success, errors, result } = await response.json();
  if (!success) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(errors)}`);
  return result;
}

export const issue = async (options = {}) => (await api('POST', `/stream/${site.video}/token`, options)).token;

/** Runs `use` with a new signing key, and deletes the key whatever happens. */
export async function withKey(use, options) {
  const key = await api('POST', '/stream/keys', options);
  key.private = JSON.parse(Buffer.from(key.jwk, 'base64'));
  const { kty, kid, alg, n, e } = key.private;
  key.public = { kty, kid, alg, n, e };
  try {
    return await use(key);
  } finally {
    await api('DELETE', `/stream/keys/${key.id}`);
  }
}

/** What the gate says to a token: "200", "206", or a status with the denial's code. */
export async function gate(token, path = 'manifest/video.m3u8') {
  const headers = path.endsWith('.mp4') ? { range: 'bytes=0-0' } : {};
  const response = await fetch(`${site.gate}/${token}/${path}`, { headers });
  if (response.ok) {
    await response.arrayBuffer();
    return `${response.status}`;
  }
  const { code, message } = await response.json();
  const header = response.headers.get('x-vidpass-denial');
  if (header !== code || !message) return `${response.status} with code ${code}, header ${header}, message ${message}`;
  return `${response.status} ${code}`;
}
