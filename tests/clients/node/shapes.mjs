// Fills ../token-shapes.json in: KID, VIDEO and OTHER are ids; NOW+3600 is a number of seconds,
// NOW+3600.123 a fraction, and 'NOW+3600' (in quotes) the same as a string.
import { readFileSync } from 'node:fs';
import { now, site } from './vidpass.mjs';

const table = JSON.parse(readFileSync(new URL('../token-shapes.json', import.meta.url)));

export const shapes = (key) => table.map((shape) => ({ ...shape, ...fill({ header: shape.header, payload: shape.payload }, key) }));

function fill(shape, key) {
  const ids = { KID: key.id, VIDEO: site.video, OTHER: '0'.repeat(32) };
  return JSON.parse(JSON.stringify(shape), (_, value) => {
    if (typeof value !== 'string') return value;
    const [, quote, seconds] = value.match(/^(')?NOW([+-][\d.]+)?'?$/) ?? [];
    if (!value.includes('NOW')) return ids[value] ?? value;
    const time = now() + Number(seconds ?? 0);
    return quote ? String(time) : time;
  });
}
