// An independent JOSE library, jose, agrees with vidpass in both directions: it verifies what vidpass
// signs, and vidpass judges what it signs. Prints one line per check; exits 1 at the first that fails.
import { CompactSign, SignJWT, calculateJwkThumbprint, createRemoteJWKSet, exportSPKI, generateKeyPair, importJWK, jwtVerify } from 'jose';
import { shapes } from './shapes.mjs';
import { api, check, gate, issue, now, passed, site, withKey } from './vidpass.mjs';

await api('POST', `/stream/${site.video}/downloads`);
await withKey(async (key) => {
  const privateKey = await importJWK(key.private);
  const publicKey = await importJWK(key.public);
  const sign = (header, payload) =>
    new CompactSign(Buffer.from(JSON.stringify(payload))).setProtectedHeader(header).sign(privateKey);

  await theKeyIsWellFormed(key);
  await issuedTokensVerify(key, publicKey);
  for (const { name, header, payload, path, expected } of shapes(key))
    check(`${name}: ${expected}`, await gate(await sign(header, payload), path), expected);
  await signJwtPlays(key, privateKey);
  await forgeriesAreRefused(key, privateKey, publicKey);
});
for (const alg of ['ES256', 'EdDSA']) await otherAlgorithm(alg);
passed('jose');

/** Issued here and verified with the published keys, and signed here and played. */
async function otherAlgorithm(alg) {
  const token = await withKey(async (key) => {
    const token = await issue({ id: key.id, pem: key.pem });
    const published = createRemoteJWKSet(new URL(`${site.url}/client/v4/accounts/${site.account}/.well-known/jwks.json`));
    const { payload, protectedHeader } = await jwtVerify(token, published, { algorithms: [alg] });
    check(`a token of ${alg} verifies with the published keys`, [payload.sub, protectedHeader], [site.video, { alg, kid: key.id }]);
    check(`${alg} plays`, await gate(token), '200');
    const own = await new SignJWT().setProtectedHeader({ alg, kid: key.id }).setSubject(site.video)
      .setExpirationTime('2h').sign(await importJWK(key.private));
    check(`${alg} of jose plays`, await gate(own), '200');
    return token;
  }, { alg });
  check(`${alg} is refused without its key`, await gate(token), '401 key_unknown');
}

async function theKeyIsWellFormed(key) {
  const { use, kty, kid, alg } = key.private;
  check('the jwk is an RS256 signing key named like the key', { use, kty, kid, alg },
    { use: 'sig', kty: 'RSA', kid: key.id, alg: 'RS256' });
  check('its public part has a thumbprint', (await calculateJwkThumbprint(key.public)).length, 43);
}

async function issuedTokensVerify(key, publicKey) {
  const accessRules = [
    { type: 'ip.src', action: 'allow', ip: ['127.0.0.0/8', '::1'] },
    { type: 'any', action: 'block' },
  ];
  const options = { exp: now() + 7200, nbf: now() - 60, downloadable: true, accessRules, flags: { original: true } };
  const token = await issue({ id: key.id, pem: key.pem, ...options });
  const { payload, protectedHeader } = await jwtVerify(token, publicKey, { algorithms: ['RS256'], subject: site.video });
  check('an issued token verifies; its header', protectedHeader, { alg: 'RS256', kid: key.id });
  const { iat, jti, ...claims } = payload;
  check('its claims', claims, { sub: site.video, kid: key.id, ...options });
  check('it was issued now, under an id', [Math.abs(iat - now()) < 60, typeof jti], [true, 'string']);

  const { payload: defaults } = await jwtVerify(await issue({ id: key.id, pem: key.pem }), publicKey);
  check('by default it lasts an hour', Math.abs(defaults.exp - now() - 3600) < 60, true);
  check('and began an hour ago', Math.abs(defaults.nbf - now() + 3600) < 60, true);
}

async function signJwtPlays(key, privateKey) {
  const token = await new SignJWT().setProtectedHeader({ alg: 'RS256', kid: key.id }).setSubject(site.video)
    .setIssuedAt().setExpirationTime('2h').sign(privateKey);
  check('a token made with SignJWT plays', await gate(token), '200');
}

async function forgeriesAreRefused(key, privateKey, publicKey) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { sub: site.video, kid: key.id, exp: now() + 3600 };
  const signedBy = (secret, alg) =>
    new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader({ alg, kid: key.id }).sign(secret);
  const good = await signedBy(privateKey, 'RS256');
  const [header, , signature] = good.split('.');
  const stranger = await generateKeyPair('RS256');
  const publicPem = Buffer.from(await exportSPKI(publicKey));

  check('the token to forge plays', await gate(good), '200');
  check('a changed payload is refused', await gate(`${header}.${part({ ...claims, exp: claims.exp + 1 })}.${signature}`),
    '401 signature_invalid');
  check('another key under the same kid is refused', await gate(await signedBy(stranger.privateKey, 'RS256')),
    '401 signature_invalid');
  check('HS256 with the public key as secret is refused', await gate(await signedBy(publicPem, 'HS256')),
    '401 signature_invalid');
  check('PS256 with the right key is refused',
    await gate(await signedBy(await importJWK({ ...key.private, alg: 'PS256' }), 'PS256')), '401 signature_invalid');
  check('alg none is refused', await gate(`${part({ alg: 'none', kid: key.id })}.${part(claims)}.`),
    '401 signature_invalid');
  check('alg none under a signature is refused',
    await gate(`${part({ alg: 'none', kid: key.id })}.${part(claims)}.${signature}`), '401 signature_invalid');
  check('padded base64 is refused', await gate(`${good}=`), '400 path_refused');
}
