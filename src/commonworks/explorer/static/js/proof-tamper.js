/** Flip one byte of a proof, so that people see it fail. */

import { fromHex, toAddress, toHex } from "./proof-bytes.js";

/** Members beside the proof, not part of it: flipping them breaks nothing. */
const BESIDES = [/^claim\./, /^log\.(?:name|receipt_key)$/, /\.(?:tx|time)$/, /^device\.device$/];

/** Return the dotted names of the fields of a proof that a flipped byte must break. */
export function tamperable(document, prefix = "") {
  return Object.entries(document).flatMap(([name, value]) => {
    const path = prefix + name;
    if (value !== null && typeof value === "object") return tamperable(value, `${path}.`);
    const flippable = typeof value === "string" && flip(value) !== null;
    return flippable && !BESIDES.some((pattern) => pattern.test(path)) ? [path] : [];
  });
}

/** Return a copy of a proof in which one byte of a field is another. */
export function tamper(document, path) {
  const copy = structuredClone(document);
  const names = path.split(".");
  const last = names.pop();
  const place = names.reduce((value, name) => value[name], copy);
  place[last] = flip(place[last]);
  return copy;
}

/** Return a value of the same form with one byte changed; null where there is no byte. */
function flip(text) {
  if (/^0x[0-9a-fA-F]{40}$/.test(text)) return toAddress(flipByte(fromHex(text.toLowerCase())));
  if (/^0x(?:[0-9a-f]{2})+$/.test(text)) return toHex(flipByte(fromHex(text)));
  if (/^[0-9]+$/.test(text)) {
    return text.slice(0, -1) + (text.endsWith("9") ? "8" : Number(text.at(-1)) + 1);
  }
  if (text.includes("\n\n")) return flipLetter(text, text.length - 12); // within the signature
  return text.length > 2 ? flipLetter(text, text.length - 1) : null;
}

function flipByte(bytes) {
  bytes[bytes.length >> 1] ^= 1;
  return bytes;
}

function flipLetter(text, at) {
  return text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
}
