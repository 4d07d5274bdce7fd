// Every call that vidpass shares with Cloudflare Stream's signed URLs, made with the official
// TypeScript SDK. Prints one line per check; exits 1 at the first that fails.
import Cloudflare from 'cloudflare';
import { check, gate, now, passed, site } from './vidpass.mjs';

const newClient = (apiToken) => new Cloudflare({ baseURL: `${site.url}/client/v4`, apiToken });
const client = newClient(site.apiToken);
const account_id = site.account;

async function issue(what, options) {
  const { token } = await client.stream.token.create(site.video, { account_id, ...options });
  check(`issue a token with ${what}`, typeof token, 'string');
  check('it plays', await gate(token), '200');
  return token;
}

async function refused(what, pointer, options) {
  const error = await client.stream.token.create(site.video, { account_id, ...options }).catch((error) => error);
  check(`${what} is a typed error`, error instanceof Cloudflare.BadRequestError && error.status, 400);
  check(`${what} has our code and pointer`, error.errors.map((e) => [e.code, e.source.pointer]), [[10005, pointer]]);
  check(`${what} comes with our message (${error.errors[0].message})`, error.errors[0].message !== '', true);
}

async function listed(id) {
  for await (const key of client.stream.keys.get({ account_id })) if (key.id === id) return true;
  return false;
}

const key = await client.stream.keys.create({ account_id });
check('create a key', [key.id.length, typeof key.pem, typeof key.jwk], [32, 'string', 'string']);
check('the key has a date', Math.abs(Date.parse(key.created) - Date.now()) < 60_000, true);
check('the key is listed', await listed(key.id), true);

const plain = await issue('no options', {});
const full = await issue('every option', {
  accessRules: [
    { type: 'ip.geoip.country', action: 'block', country: ['US', 'MX'] },
    { type: 'ip.src', action: 'allow', ip: ['127.0.0.0/8', '::1'] },
    { type: 'any', action: 'block' },
  ],
  downloadable: true,
  exp: now() + 7200,
  flags: { original: true },
  nbf: now() - 60,
});
const own = await issue('own key', { id: key.id, pem: key.pem });

await client.stream.downloads.create(site.video, { account_id });
check('a downloadable token opens the MP4', await gate(full, 'downloads/default.mp4'), '206');
check('a plain token does not', await gate(plain, 'downloads/default.mp4'), '403 download_not_allowed');

await refused('exp too far', '/exp', { exp: now() + 2 * 86_400 });
await refused('unknown country', '/accessRules/0/country/0', {
  accessRules: [{ type: 'ip.geoip.country', action: 'block', country: ['USA'] }],
});
const stranger = await newClient('wrong').stream.token.create(site.video, { account_id }).catch((error) => error);
check('wrong credentials are a typed error', stranger instanceof Cloudflare.AuthenticationError && stranger.status, 401);

check('delete the key', typeof (await client.stream.keys.delete(key.id, { account_id })), 'string');
check('the key is no longer listed', await listed(key.id), false);
check('its token is refused', await gate(own), '401 key_unknown');
check('the other tokens still play', await gate(plain), '200');
passed('TypeScript SDK');
