// The ZIP: one form of container, names, sizes. It is written anew from names, sizes, check sums and the one time, and every byte
// of it that is not packed data is compared.

import { crc32, Sha256 } from './bytes.mjs';
import { BROKEN, Fault, INCOMPLETE, TRUNCATED, need, told } from './report.mjs';

/** The files of a pack, in their order. */
export const ENTRIES = [
  'summary.pdf', 'index.html', 'data.json', 'coverage_monthly.csv', 'findings.csv', 'scans.csv', 'remediation_sla.csv', 'custom_rules.csv',
  'state_sources.csv', 'chain-attestation.json', 'audit_events.ndjson', 'exceptions.csv', 'controls.csv', 'provenance.json',
  'AUDIT_LOG_VERIFY.md', 'MANIFEST.txt', 'MANIFEST.txt.tsr',
];
/** What a pack may lack. */
const OPTIONAL = ['summary.pdf', 'MANIFEST.txt.tsr'];

// More than an honest pack has is not read.
const [ENTRY_MAX, TOTAL_MAX, RATIO, DENSE_FREE, DIRECTORY_MAX] = [64 * 2 ** 30, 256 * 2 ** 30, 400, 4 * 2 ** 20, 2 ** 20];
const LOW = 0xffffffff;

/** Little-endian numbers and bytes, one after the other. */
class Bytes {
  parts = [];
  u16(...numbers) { for (const n of numbers) this.parts.push(n & 255, (n >>> 8) & 255); return this; }
  u32(...numbers) { for (const n of numbers) this.u16(n & 0xffff, n >>> 16); return this; }
  u64(...numbers) { for (const n of numbers) this.u32(n >>> 0, Math.floor(n / 2 ** 32)); return this; }
  raw(bytes) { this.parts.push(...bytes); return this; }
  get length() { return this.parts.length; }
}

const magic = (a, b) => [0x50, 0x4b, a, b];

function dosTime(at) {
  const t = new Date(at * 1000);
  const time = (t.getUTCHours() << 11) | (t.getUTCMinutes() << 5) | (t.getUTCSeconds() >> 1);
  return [time, ((t.getUTCFullYear() - 1980) << 9) | ((t.getUTCMonth() + 1) << 5) | t.getUTCDate()];
}

function localHeader(entry, at) {
  const head = new Bytes().raw(magic(3, 4)).u16(20, 8, 8, ...dosTime(at)).u32(0, 0, 0);
  return head.u16(entry.name.length, 0).raw(entry.name).parts;
}

function descriptor(entry) {
  const tail = new Bytes().raw(magic(7, 8)).u32(entry.crc);
  const isLarge = Math.max(entry.packed, entry.size) >= LOW;
  return (isLarge ? tail.u64(entry.packed, entry.size) : tail.u32(entry.packed, entry.size)).parts;
}

function directory(entries, at, start) {
  const out = new Bytes();
  let isLarge = start >= LOW;
  for (const { name, crc, packed, size, offset } of entries) {
    const large = [size, packed, offset].filter((n) => n >= LOW);
    const version = large.length ? 45 : 20;
    isLarge ||= large.length > 0;
    const extra = new Bytes().u16(0x5455, 5).raw([1]).u32(at);
    if (large.length) extra.u16(1, 8 * large.length).u64(...large);
    out.raw(magic(1, 2)).u16(0x300 | version, version, 8, 8, ...dosTime(at));
    out.u32(crc, Math.min(packed, LOW), Math.min(size, LOW)).u16(name.length, extra.length, 0, 0, 0);
    out.u32(0o644 << 16, Math.min(offset, LOW)).raw(name).raw(extra.parts);
  }
  const [size, count] = [out.length, entries.length];
  if (isLarge) {
    out.raw(magic(6, 6)).u64(44).u16(45, 45).u32(0, 0).u64(count, count, size, start);
    out.raw(magic(6, 7)).u32(0).u64(start + size).u32(1);
  }
  return out.raw(magic(5, 6)).u16(0, 0, count, count).u32(Math.min(size, LOW), Math.min(start, LOW)).u16(0).parts;
}

async function readAt(blob, at, size) {
  need(at >= 0 && at + size <= blob.size, 'its directory points outside of it');
  return new Uint8Array(await blob.slice(at, at + size).arrayBuffer());
}

const same = (left, right) => left.length === right.length && left.every((byte, at) => byte === right[at]);
const u64 = (view, at) => Number(view.getBigUint64(at, true));

/** Whether the browser objects to bytes behind the end of packed data, as the standard asks: an empty file and one byte more. */
async function noticesTrailing() {
  const packed = new Blob([Uint8Array.of(3, 0, 0x78)]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Response(packed).arrayBuffer().then(() => false, () => true);
}

/** The readable entries by name, and their time. Null: nothing can be read. */
export async function open(blob, report) {
  const tail = await readAt(blob, Math.max(0, blob.size - 65557), Math.min(blob.size, 65557));
  let end = tail.length - 4;
  while (end >= 0 && !same(tail.subarray(end, end + 4), magic(5, 6))) end -= 1;
  if (end < 0 || tail.length - end < 22) {
    report.put('archive', TRUNCATED, 'the file has no ZIP directory at its end: it was cut off, or is no ZIP');
    return null;
  }
  let walked;
  try {
    need(tail.length - end === 22 && tail.at(-1) === 0 && tail.at(-2) === 0, 'there are bytes behind the ZIP, or a comment');
    walked = await walk(blob);
  } catch (error) {
    const why = error instanceof RangeError ? 'its directory is cut off' : told(error);
    report.put('archive', BROKEN, `it is not the file that driftpack wrote (${why}); ask for the original file`);
    return null;
  }
  if (!(await noticesTrailing())) {
    report.put('archive', INCOMPLETE, 'this browser does not notice bytes that hide behind packed data; use a current one, or verify_pack.py');
  }
  return { entries: admitted(walked.entries, report), at: walked.at };
}

function admitted(entries, report) {
  const names = entries.map((entry) => String.fromCharCode(...entry.name));
  const places = names.map((name) => ENTRIES.indexOf(name));
  for (const name of names.filter((n) => !ENTRIES.includes(n))) {
    report.put('names', BROKEN, `«${name.slice(0, 100)}» does not belong into a pack`);
  }
  report.require(new Set(names).size === names.length, 'names', 'two entries have the same name');
  report.require(places.every((place, n) => n === 0 || places[n - 1] <= place), 'names', 'the entries are not in the order of a pack');
  for (const name of ENTRIES.filter((n) => !names.includes(n) && !OPTIONAL.includes(n))) {
    report.put('names', INCOMPLETE, `${name} is not there`);
  }
  const readable = new Map();
  let total = 0;
  entries.forEach((entry, n) => {
    total += entry.size;
    if (entry.size > Math.min(ENTRY_MAX, Math.max(DENSE_FREE, entry.packed * RATIO)) || total > TOTAL_MAX) {
      report.put('limits', BROKEN, `${names[n]} unpacks from ${entry.packed} to ${entry.size} bytes; it is not read`);
    } else if (ENTRIES.includes(names[n]) && !readable.has(names[n])) {
      readable.set(names[n], entry);
    }
  });
  report.done('archive', 'a plain ZIP, as driftpack writes it: nothing before, between or after its entries');
  report.done('names', `${names.length} entries, each name known, plain and used once`);
  report.done('limits', 'no entry is larger or denser than an honest one');
  return readable;
}

/** Where the directory begins, and how long it is. */
async function place(blob) {
  const end = new DataView((await readAt(blob, blob.size - 22, 22)).buffer);
  let [size, start, behind] = [end.getUint32(12, true), end.getUint32(16, true), blob.size - 22];
  const locator = behind >= 76 ? await readAt(blob, behind - 20, 4) : [];
  if (size === LOW || start === LOW || same(locator, magic(6, 7))) {
    behind -= 76;
    const large = new DataView((await readAt(blob, behind + 40, 16)).buffer);
    [size, start] = [u64(large, 0), u64(large, 8)];
  }
  need(start + size === behind && size <= DIRECTORY_MAX, 'its directory is not at its end');
  return { size, start };
}

async function walk(blob) {
  const { size, start } = await place(blob);
  const raw = await readAt(blob, start, blob.size - start);
  const view = new DataView(raw.buffer);
  const entries = [];
  let [position, offset, at] = [0, 0, 0];
  while (position < size) {
    const entry = one(raw, view, position);
    if (entries.length === 0) at = view.getUint32(position + 46 + entry.name.length + 5, true);
    position += entry.length;
    entries.push({ ...entry, offset });
    offset += 30 + entry.name.length + entry.packed + descriptor(entry).length;
    need(offset <= start, 'its entries are longer than it is');
  }
  need(offset === start, 'there are bytes before the directory that belong to no entry');
  need(same(raw, directory(entries, at, start)), 'its directory has other fields');
  for (const entry of entries) {
    const [head, tail] = [localHeader(entry, at), descriptor(entry)];
    entry.data = entry.offset + head.length;
    need(same(await readAt(blob, entry.offset, head.length), head), 'an entry has another header');
    need(same(await readAt(blob, entry.data + entry.packed, tail.length), tail), 'an entry has another end');
  }
  return { entries, at };
}

/** One entry of the directory. */
function one(raw, view, at) {
  const [nameLength, extraLength] = [view.getUint16(at + 28, true), view.getUint16(at + 30, true)];
  const [crc, low, size] = [16, 20, 24].map((field) => view.getUint32(at + field, true));
  const extra = at + 46 + nameLength;
  let wide = extra + 13;
  const full = (number) => {
    if (number !== LOW || wide + 8 > extra + extraLength) return number;
    wide += 8;
    return u64(view, wide - 8);
  };
  const unpacked = full(size);
  const name = raw.slice(at + 46, extra);
  return { name, crc, size: unpacked, packed: full(low), length: 46 + nameLength + extraLength };
}

/** One file as it is unpacked; hashes and counts on the way, and accepts neither more nor less than the ZIP says. */
export class Unpacked {
  #sha = new Sha256();
  #crc = 0;
  size = 0;
  lines = 0;
  sha256 = '';

  constructor(blob, entry, progress) {
    this.blob = blob;
    this.entry = entry;
    this.progress = progress;
  }

  async *chunks() {
    const { data, packed, size, crc } = this.entry;
    const stream = this.blob.slice(data, data + packed).stream().pipeThrough(new DecompressionStream('deflate-raw'));
    const reader = stream.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read().catch(() => {
          throw new Fault('it cannot be unpacked, or there are bytes behind the end of its packed data');
        });
        if (done) break;
        this.size += value.length;
        need(this.size <= size, 'it unpacks to more than the ZIP says');
        this.#sha.update(value);
        this.#crc = crc32(this.#crc, value);
        for (let at = value.indexOf(10); at >= 0; at = value.indexOf(10, at + 1)) this.lines += 1;
        this.progress(value.length);
        yield value;
      }
    } finally {
      await reader.cancel().catch(() => {});
    }
    need(this.size === size && this.#crc === crc, 'it has another size or CRC-32 than the ZIP says');
    this.sha256 = this.#sha.hex();
  }
}
