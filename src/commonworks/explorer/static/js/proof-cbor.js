/**
 * Deterministic CBOR (RFC 8949 section 4.2.1), as narrow as docs/spec/statement.md, section 1.
 *
 * Rule: one value has one encoding. Refused: heads that are not the shortest, indefinite lengths,
 * map keys out of order or twice, floats, other simple values, nesting deeper than 16, bytes after
 * the item. Integers come as BigInt, maps as arrays of [key, value] in the order of their keys.
 */

import {
  ProofError,
  compare,
  concat,
  fromBigEndian,
  fromText,
  toBigEndian,
} from "./proof-bytes.js";

const DEPTH_MAX = 16;
const UNSIGNED = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const TAG = 6;
const SIMPLE = new Map([
  [20n, false],
  [21n, true],
  [22n, null],
]);
/** Additional information of a head -> bytes that follow, and the least value worth them. */
const LONG_HEADS = new Map([
  [24, [1, 24n]],
  [25, [2, 1n << 8n]],
  [26, [4, 1n << 16n]],
  [27, [8, 1n << 32n]],
]);

/** A tagged value. */
export class Tag {
  constructor(number, value) {
    this.number = number;
    this.value = value;
  }
}

/** A map: its [key, value] pairs, in the order of their encoded keys. */
export class CborMap {
  constructor(pairs) {
    this.pairs = pairs;
  }

  /** Return the value under an integer or text key, undefined where there is none. */
  get(key) {
    const wanted = typeof key === "number" ? BigInt(key) : key;
    return this.pairs.find(([found]) => found === wanted)?.[1];
  }

  /** Return the keys; byte-string keys come as they are. */
  keys() {
    return this.pairs.map(([key]) => key);
  }
}

class Reader {
  constructor(data, tags) {
    this.data = data;
    this.tags = tags;
    this.at = 0;
  }

  take(length) {
    if (length > BigInt(this.data.length - this.at)) throw new ProofError("bad_cbor", "truncated");
    const end = this.at + Number(length);
    const taken = this.data.subarray(this.at, end);
    this.at = end;
    return taken;
  }

  /** Read a head: [major type, argument, how the argument was written]. */
  head() {
    const [initial] = this.take(1n);
    const information = initial & 0x1f;
    if (information < 24) return [initial >> 5, BigInt(information), information];
    const long = LONG_HEADS.get(information);
    if (long === undefined) throw new ProofError("bad_cbor", "indefinite length or reserved head");
    const argument = fromBigEndian(this.take(BigInt(long[0])));
    if (argument < long[1]) throw new ProofError("bad_cbor", "not the shortest encoding");
    return [initial >> 5, argument, information];
  }

  item(depth) {
    if (depth < 0) throw new ProofError("bad_cbor", "nested too deep");
    const [major, argument, information] = this.head();
    switch (major) {
      case UNSIGNED:
        return argument;
      case NEGATIVE:
        return -1n - argument;
      case BYTES:
        return this.take(argument);
      case TEXT:
        return this.text(argument);
      case ARRAY:
        this.expect(argument);
        return Array.from({ length: Number(argument) }, () => this.item(depth - 1));
      case MAP:
        this.expect(2n * argument);
        return this.map(Number(argument), depth - 1);
      case TAG:
        if (this.tags !== null && !this.tags.includes(argument)) {
          throw new ProofError("bad_cbor", "a tag that does not belong here");
        }
        return new Tag(argument, this.item(depth - 1));
      default:
        if (information < 24 && SIMPLE.has(argument)) return SIMPLE.get(argument);
        throw new ProofError("bad_cbor", "a float or an unknown simple value");
    }
  }

  /** Refuse a count that the rest cannot hold, before any list grows: an item takes a byte. */
  expect(items) {
    if (items > BigInt(this.data.length - this.at)) throw new ProofError("bad_cbor", "truncated");
  }

  text(length) {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.take(length));
    } catch (error) {
      if (error instanceof ProofError) throw error;
      throw new ProofError("bad_cbor", "text is not UTF-8");
    }
  }

  map(length, depth) {
    const pairs = [];
    let previous = new Uint8Array();
    for (let count = 0; count < length; count++) {
      const start = this.at;
      if (start < this.data.length && this.data[start] >> 5 > TEXT) {
        throw new ProofError("bad_cbor", "a map key of another type");
      }
      const key = this.item(depth);
      const encoded = this.data.subarray(start, this.at);
      if (compare(encoded, previous) <= 0) {
        throw new ProofError("bad_cbor", "map keys out of order");
      }
      previous = encoded;
      pairs.push([key, this.item(depth)]);
    }
    return new CborMap(pairs);
  }
}

/**
 * Return the one value that `data` encodes deterministically, with nothing after it.
 * `tags`: the tag numbers allowed; null allows every tag.
 */
export function decode(data, tags = null) {
  const reader = new Reader(data, tags);
  const value = reader.item(DEPTH_MAX);
  if (reader.at !== data.length) throw new ProofError("bad_cbor", "bytes after the item");
  return value;
}

/** Return the deterministic encoding of BigInt, bytes, text, array, map, tag, true, false, null. */
export function encode(value) {
  if (value === null) return Uint8Array.of(0xf6);
  if (typeof value === "boolean") return Uint8Array.of(value ? 0xf5 : 0xf4);
  if (typeof value === "bigint") {
    return value >= 0n ? head(UNSIGNED, value) : head(NEGATIVE, -1n - value);
  }
  if (value instanceof Uint8Array) return concat(head(BYTES, value.length), value);
  if (typeof value === "string") {
    const text = fromText(value);
    return concat(head(TEXT, text.length), text);
  }
  if (Array.isArray(value)) return concat(head(ARRAY, value.length), ...value.map(encode));
  if (value instanceof CborMap) {
    const pairs = value.pairs.map(([key, item]) => [encode(key), encode(item)]);
    pairs.sort(([left], [right]) => compare(left, right));
    return concat(head(MAP, pairs.length), ...pairs.flat());
  }
  if (value instanceof Tag) return concat(head(TAG, value.number), encode(value.value));
  throw new ProofError("bad_cbor", "no encoding");
}

function head(major, argument) {
  const value = BigInt(argument);
  if (value < 24n) return Uint8Array.of((major << 5) | Number(value));
  for (const [information, [bytes]] of LONG_HEADS) {
    if (value < 1n << BigInt(8 * bytes)) {
      return concat(Uint8Array.of((major << 5) | information), toBigEndian(value, bytes));
    }
  }
  throw new ProofError("bad_cbor", "more than 64 bits");
}
