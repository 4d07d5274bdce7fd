// Checks a token in `Authorization`. Each request has an interpreter of its own, so the key is imported each time.
const KEY = Buffer.from("@KEY@", "base64");
const ALGORITHM = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };

async function check(r) {
    const parts = r.headersIn.Authorization.slice("Bearer ".length).split(".");
    const key = await crypto.subtle.importKey("spki", KEY, ALGORITHM, false, ["verify"]);
    const signature = Buffer.from(parts[2], "base64url");
    const good = await crypto.subtle.verify(ALGORITHM, key, signature, Buffer.from(parts[0] + "." + parts[1]));
    const claims = JSON.parse(Buffer.from(parts[1], "base64url").toString());
    const now = Date.now() / 1000;
    r.return(good && claims.nbf <= now && now < claims.exp ? 204 : 403);
}

export default { check };
