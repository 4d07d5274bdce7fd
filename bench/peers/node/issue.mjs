// The token endpoint on Node's own HTTP server and `jose`: node issue.mjs PORT KEY.pem KID
import { createServer } from "node:http";
import { createPrivateKey, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { SignJWT } from "jose";

const [port, file, kid] = process.argv.slice(2);
const key = createPrivateKey(readFileSync(file));

async function issue(body) {
  const asked = JSON.parse(body);
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ sub: "bench-video", kid, jti: randomUUID(), accessRules: asked.accessRules })
    .setProtectedHeader({ alg: "RS256", kid })
    .setIssuedAt(now).setNotBefore(now - 3600).setExpirationTime(now + 3600)
    .sign(key);
}

createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", async () => {
    const token = await issue(Buffer.concat(parts));
    const answer = JSON.stringify({ success: true, errors: [], messages: [], result: { token } });
    response.writeHead(200, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(answer) });
    response.end(answer);
  });
}).listen({ port: Number(port), host: "127.0.0.1" });
