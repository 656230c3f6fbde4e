// JSON, read value by value as it comes: each member once, no NaN, no halves of characters, and whole numbers as they are written.
// A whole number becomes a BigInt, another one a Number; an object has no prototype, but for what `plain` gives.

import { Fault, need } from './report.mjs';

const ITEM_MAX = 32 * 2 ** 20;
const DEPTH_MAX = 100;
/** A row that is longer is no ordinary one. */
const ROW_MAX = 64 * 1024;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
/** What a number that goes on may consist of: behind "12." there can be more of it. */
const NUMERIC = /[-+.0-9eE]*/y;

const LITERALS = { t: ['true', true], f: ['false', false], n: ['null', null] };

/** The text ends before the value does. */
class More extends Error {}

/** The value that begins at `at`, and where it ends. `isWhole`: nothing comes behind the text. */
function value(text, at, isWhole, depth = 0) {
  need(depth < DEPTH_MAX, 'it is nested too deeply');
  at = skip(text, at);
  const first = text[at];
  if (first === undefined) throw new More();
  if (first === '"') return string(text, at);
  if (first === '{' || first === '[') return nested(text, at, isWhole, depth);
  const literal = LITERALS[first];
  if (literal) {
    const [word, meaning] = literal;
    if (text.startsWith(word, at)) return [meaning, at + word.length];
    if (word.startsWith(text.slice(at, at + word.length))) throw new More();
  }
  NUMERIC.lastIndex = at;
  NUMERIC.test(text);
  if (!isWhole && NUMERIC.lastIndex === text.length && text.length - at < 1000) throw new More();
  NUMBER.lastIndex = at;
  const match = NUMBER.exec(text);
  need(match && match[0].length <= 1000, 'there is something that is no JSON');
  const number = /[.eE]/.test(match[0]) ? Number(match[0]) : BigInt(match[0]);
  need(typeof number === 'bigint' || Number.isFinite(number), 'a number is too large');
  return [number, at + match[0].length];
}

function skip(text, at) {
  for (let code = text.charCodeAt(at); code === 32 || code === 10 || code === 13 || code === 9; code = text.charCodeAt(at)) at += 1;
  return at;
}

function string(text, at) {
  const close = text.indexOf('"', at + 1);
  const inner = text.slice(at + 1, close);
  if (close >= 0 && !/[\\\u0000-\u001f]/.test(inner)) {
    need(inner.isWellFormed(), 'a text has half of a character');
    return [inner, close + 1];
  }
  for (let end = at + 1; end < text.length; end += 1) {
    const code = text.charCodeAt(end);
    if (code === 34) {
      const slice = text.slice(at, end + 1);
      let found;
      try {
        found = JSON.parse(slice);
      } catch {
        throw new Fault('a text has an escape that is none');
      }
      need(found.isWellFormed(), 'a text has half of a character');
      return [found, end + 1];
    }
    need(code >= 32, 'a text has a control character');
    if (code === 92) end += 1;
  }
  throw new More();
}

function nested(text, at, isWhole, depth) {
  const isObject = text[at] === '{';
  const close = isObject ? '}' : ']';
  const found = isObject ? Object.create(null) : [];
  at = skip(text, at + 1);
  for (let isFirst = true; text[at] !== close; isFirst = false) {
    if (text[at] === undefined) throw new More();
    if (!isFirst) {
      need(text[at] === ',', 'a comma is missing');
      at += 1;
    }
    let key;
    if (isObject) {
      at = skip(text, at);
      if (text[at] === undefined) throw new More();
      need(text[at] === '"', 'a member has no name');
      [key, at] = string(text, at);
      need(!(key in found), `the member ${key} is there twice`);
      at = skip(text, at);
      if (text[at] === undefined) throw new More();
      need(text[at] === ':', 'a colon is missing');
      at += 1;
    }
    let inner;
    [inner, at] = value(text, at, false, depth + 1);
    if (isObject) found[key] = inner;
    else found.push(inner);
    at = skip(text, at);
  }
  return [found, at + 1];
}

/** The one value of a text. */
export function parse(text) {
  try {
    const [found, end] = value(text, 0, true);
    need(skip(text, end) === text.length, 'there is something behind its end');
    return found;
  } catch (error) {
    throw error instanceof More ? new Fault('it is cut off') : error;
  }
}

/**
 * What a text says that is written in the plainest way, as nearly all are; undefined for any other text, and for what is none: `value`
 * has to look. The browser's own reader is many times as fast, but it takes the last of several members, and numbers that it cannot hold.
 * Whatever it has passed over shows when the value is written again; halves of characters hide behind escapes alone.
 */
export function plain(text) {
  if (/\\u|"__proto__"/.test(text)) return undefined;
  try {
    const found = JSON.parse(text);
    return JSON.stringify(found) === text ? whole(found) : undefined;
  } catch {
    return undefined;
  }
}

/** With its whole numbers as BigInt. */
function whole(of, depth = 0) {
  need(depth < DEPTH_MAX, 'it is nested too deeply');
  if (typeof of === 'number' && Number.isInteger(of)) {
    need(Number.isSafeInteger(of), 'a number is not the one that was written');
    return BigInt(of);
  }
  if (of !== null && typeof of === 'object') {
    for (const key of Object.keys(of)) of[key] = whole(of[key], depth + 1);
  }
  return of;
}

export const decode = (bytes) => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);

/** A document that is read piece by piece from chunks of bytes. */
export class Stream {
  #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #text = '';
  #at = 0;
  /** Before this no row is looked for. */
  #passed = 0;
  #isWhole = false;

  constructor(chunks) {
    this.chunks = chunks;
  }

  async #fill() {
    if (this.#isWhole) return false;
    const wanted = this.#text.length - this.#at;
    const parts = [this.#text.slice(this.#at)];
    for (let got = 0; got <= wanted && !this.#isWhole;) {
      const { done, value: bytes } = await this.chunks.next();
      const part = this.#decoder.decode(bytes, { stream: !done });
      parts.push(part);
      got += part.length;
      this.#isWhole = Boolean(done);
    }
    this.#passed = Math.max(0, this.#passed - this.#at);
    [this.#text, this.#at] = [parts.join(''), 0];
    need(this.#text.length <= ITEM_MAX, 'one value is larger than any');
    return true;
  }

  /** The next character that is no space; empty at the end. */
  async peek() {
    for (;;) {
      this.#at = skip(this.#text, this.#at);
      if (this.#at < this.#text.length) return this.#text[this.#at];
      if (!(await this.#fill())) return '';
    }
  }

  async take(character) {
    need((await this.peek()) === character, `${character} is missing`);
    this.#at += 1;
  }

  /** The value on the rest of the line, when it is a plain object. A line that holds something else is not looked at again. */
  #row() {
    const at = skip(this.#text, this.#at);
    if (at < this.#passed || this.#text[at] !== '{') return undefined;
    const line = this.#text.slice(at, at + ROW_MAX);
    const end = line.indexOf('\n');
    const row = line.slice(0, line[end - 1] === ',' ? end - 1 : end);
    const found = end < 0 ? undefined : plain(row);
    if (found) this.#at = at + row.length;
    else this.#passed = at + (end < 0 ? line.length : end);
    return found;
  }

  async value() {
    const row = this.#row();
    if (row !== undefined) return row;
    for (;;) {
      try {
        const [found, end] = value(this.#text, this.#at, this.#isWhole);
        this.#at = end;
        return found;
      } catch (error) {
        if (!(error instanceof More)) throw error;
        need(await this.#fill(), 'it is cut off');
      }
    }
  }

  async name(expected, isFirst) {
    await this.take(isFirst ? '{' : ',');
    need((await this.value()) === expected, `the member ${expected} is not at its place`);
    await this.take(':');
  }
}

/** RFC 8785: the one way to write a value (here without fractions). */
export function canonical(of) {
  if (Array.isArray(of)) return `[${of.map(canonical).join(',')}]`;
  if (of !== null && typeof of === 'object') {
    return `{${Object.keys(of).sort().map((key) => `${JSON.stringify(key)}:${canonical(of[key])}`).join(',')}}`;
  }
  return typeof of === 'bigint' ? of.toString() : JSON.stringify(of);
}

/** Two spaces a level, as chain-attestation.json is written. */
export function pretty(of, indent = '') {
  const inner = `${indent}  `;
  if (of === null || typeof of !== 'object') return canonical(of);
  const isList = Array.isArray(of);
  const members = isList ? of.map((item) => pretty(item, inner)) : Object.keys(of).map((key) => `${JSON.stringify(key)}: ${pretty(of[key], inner)}`);
  const [open, close] = isList ? '[]' : '{}';
  return members.length ? `${open}\n${inner}${members.join(`,\n${inner}`)}\n${indent}${close}` : open + close;
}
