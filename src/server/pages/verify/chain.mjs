// The audit chain: its excerpt hashed and linked again, and the attestation that speaks of it.

import { joined, sha256, utf8 } from './bytes.mjs';
import { canonical, decode, parse, plain, pretty } from './json.mjs';
import { BROKEN, INCOMPLETE, TRUNCATED, need, told } from './report.mjs';
import { ATTESTATION, ENTRY, isHash, moment, shaped, uuid } from './shape.mjs';

const ITEM_MAX = 32 * 2 ** 20;
const ENTRY_MAX = 64 * 1024;
const NUMBER_MAX = 1n << 53n;

/** The file has one rendering, so that nobody can be shown something that was not checked. */
export function readAttestation(bytes) {
  const text = decode(bytes);
  const found = shaped(parse(text), ATTESTATION);
  const order = Object.keys(ATTESTATION).filter((name) => name !== 'signature' || name in found);
  need(Object.keys(found).join() === order.join() && `${pretty(found)}\n` === text, 'it is not written the one way it can be written');
  need(['ok', 'broken', 'truncated', 'empty'].includes(found.status), 'its status is unknown');
  return found;
}

function plainDetail(value, depth = 0) {
  need(depth <= 32 && typeof value !== 'number', 'its detail is not one that is recorded');
  need(typeof value !== 'bigint' || (-NUMBER_MAX <= value && value <= NUMBER_MAX), 'its detail has a number that is too large');
  need(typeof value !== 'string' || !value.includes('\0'), 'its detail has a NUL');
  if (value === null || typeof value !== 'object') return;
  for (const [name, inner] of Object.entries(value)) {
    plainDetail(name);
    plainDetail(inner, depth + 1);
  }
}

/** Hashes and links every line again. Memory does not grow with lines. */
export class Events {
  lines = 0;
  /** What the first line says of the entry before it. */
  before = null;
  hashes = new Map();
  times = null;
  completed = new Map();
  fault = null;
  last = null;
  #decoderRest = new Uint8Array();
  #previous = null;
  #time = '';

  constructor(attested, watch) {
    need(attested.chain === 'platform' || uuid(attested.chain), 'the attestation names no chain');
    this.attested = attested;
    this.exports = watch.exports;
    this.seq = attested.period.first_seq ?? 1n;
    const named = [attested.requested, ...attested.previous_attestations].map((position) => position.seq);
    this.wanted = new Set([1n, attested.head_seq, ...named, ...watch.seqs]);
    this.genesis = attested.chain === 'platform' ? 'platform.created' : 'org.created';
  }

  push(bytes) {
    const all = this.#decoderRest.length ? joined(this.#decoderRest, bytes) : bytes;
    let at = 0;
    for (let end = all.indexOf(10); end >= 0; end = all.indexOf(10, at)) {
      this.lines += 1;
      if (this.fault === null) this.#line(all.subarray(at, end));
      at = end + 1;
    }
    this.#decoderRest = all.slice(at);
    need(this.#decoderRest.length <= ITEM_MAX, 'a line is larger than any');
  }

  end() {
    need(this.#decoderRest.length === 0, 'its last line does not end with a line feed');
    return this;
  }

  #line(bytes) {
    try {
      this.#entry(bytes);
    } catch (error) {
      this.fault = `entry ${this.seq} is bad: ${told(error)}`;
    }
  }

  #entry(bytes) {
    need(bytes.length <= ENTRY_MAX, 'it is too large');
    const text = decode(bytes);
    const entry = shaped(plain(text) ?? parse(text), ENTRY);
    plainDetail(entry.detail);
    need(!Array.isArray(entry.detail) && 'prev_hash' in entry && canonical(entry) === text, 'its text is not canonical');
    const { created_at: at, seq, prev_hash: before } = entry;
    moment(at);
    need(at.length === 27 && 1n <= seq && seq <= NUMBER_MAX, 'its time or number is written otherwise');
    if (this.times === null && before !== null) this.before = { seq: seq - 1n, hash: before };
    this.times ??= [at, at];
    this.times = [at < this.times[0] ? at : this.times[0], at > this.times[1] ? at : this.times[1]];
    need(seq === this.seq, `the numbering is not 1, 2, 3, …: ${this.seq} is expected`);
    need(entry.chain === this.attested.chain, 'it belongs to another chain');
    need((before === null) === (seq === 1n), 'it does not point to the entry before it');
    need(this.#previous === null || this.#previous === before, 'it does not point to the entry before it');
    need((seq === 1n) === (entry.action === this.genesis), 'a chain begins with its creation, once');
    need(at >= this.#time, 'it is older than the entry before it');
    [this.#previous, this.#time] = [sha256(utf8(`v1\n${text}`)), at];
    if (this.wanted.has(seq)) this.hashes.set(seq, this.#previous);
    const { export_id: id, manifest_sha256: manifest } = entry.detail;
    if (entry.action === 'audit_export.completed' && this.exports.has(id)) this.completed.set(id, manifest);
    [this.last, this.seq] = [seq, seq + 1n];
  }

  /** What the excerpt says about the hash of an entry: computed, or named by its first line. */
  at(seq) {
    return this.hashes.get(seq) ?? (this.before?.seq === seq ? this.before.hash : undefined);
  }
}

export function checkChain(pack, report) {
  const { attestation: attested, events } = pack;
  if (!attested) {
    report.put('attestation', INCOMPLETE, 'chain-attestation.json is not there, or not readable');
    return;
  }
  if (attested.schema !== 'driftpack.chain-attestation/v1' || attested.canonical_version !== 'v1') {
    report.put('attestation', INCOMPLETE, 'its schema is not one this page knows');
    return;
  }
  const must = (holds, detail) => report.require(holds, 'attestation', detail);
  const known = itself(attested, must);
  neighbours(pack, attested, must);
  if (events) {
    checkEvents(pack, report);
    for (const { seq, hash_hex: hash } of known) {
      const found = events.at(seq);
      must(found === undefined || found === hash, `entry ${seq} has another hash in the excerpt than the attested one`);
    }
  } else {
    report.put('chain_excerpt', INCOMPLETE, 'audit_events.ndjson is not there, or not readable');
  }
  const earlier = attested.previous_attestations.length;
  report.done('attestation', `the chain had ${attested.head_seq} entries, all re-hashed; earlier packs named: ${earlier}`);
}

/** Can its own members be true together? Gives every position with its hash. */
function itself(attested, must) {
  const head = attested.head_seq;
  const { first_seq: first, last_seq: last } = attested.period;
  must(attested.status === 'ok', 'the chain was not found in order when the pack was built');
  must(head === attested.checked, 'not every entry up to the head was re-hashed');
  must(1n <= attested.requested.seq && attested.requested.seq <= head, 'the request lies outside the chain');
  const isEmpty = (first ?? null) === null && (last ?? null) === null;
  must(isEmpty || (1n <= first && first <= last && last <= head), 'the entries of the period lie outside the chain');
  const known = [{ seq: 1n, hash_hex: attested.genesis_hash_hex }, { seq: head, hash_hex: attested.head_hash_hex }, attested.requested,
    ...attested.previous_attestations];
  must(known.every((position) => isHash(position.hash_hex)), 'a hash is not 64 lower-case hex digits');
  must(attested.previous_attestations.every(({ seq }) => 1n <= seq && seq <= head), 'an earlier pack lies outside the chain');
  const [pairs, seqs] = [new Set(known.map((p) => `${p.seq} ${p.hash_hex}`)), new Set(known.map((p) => p.seq))];
  must(pairs.size === seqs.size, 'one entry is said to have two hashes');
  return known;
}

/** Does it speak of the same organisation and entries as the other files? */
function neighbours({ provenance, data }, attested, must) {
  if (provenance) {
    must(attested.chain === provenance.org.id, "it attests another organisation's chain");
    const isOrdered = moment(provenance.snapshot.taken_at) <= moment(attested.verified_at);
    must(isOrdered, 'it is older than the snapshot of the sections: it belongs to another pack');
  }
  if (data) {
    const { audit_log: log, chain } = data;
    const range = (of) => `${of.first_seq ?? null} ${of.last_seq ?? null}`;
    must(range(log) === range(attested.period), 'data.json has other audit entries in the period');
    must(chain.chain === attested.chain, 'data.json names another chain');
    const isSame = chain.head_seq === attested.head_seq && chain.head_hash_hex === attested.head_hash_hex;
    must(chain.head_seq < attested.head_seq || isSame, 'the chain in data.json is ahead of the attested one, or another one');
  }
}

function checkEvents({ attestation: attested, events, provenance, data }, report) {
  const first = attested.period.first_seq ?? null;
  const last = attested.period.last_seq ?? null;
  const end = events.last ?? (first ?? 1n) - 1n;
  const expected = first !== null && last !== null ? last - first + 1n : 0n;
  if (events.fault) {
    report.put('chain_excerpt', BROKEN, events.fault);
  } else if (last !== null && last > end) {
    report.put('chain_excerpt', TRUNCATED, `the chain ends at entry ${end}, before the entry ${last} that is expected`);
  } else {
    report.require(BigInt(events.lines) === expected, 'chain_excerpt', `${events.lines} entries are there, ${expected} are attested`);
  }
  if (events.times && provenance) {
    const isInside = moment(provenance.period.start) <= moment(events.times[0]) && moment(events.times[1]) < moment(provenance.period.end);
    report.require(isInside, 'chain_excerpt', 'it has entries from outside the period');
  }
  if (data) report.require(data.audit_log.entries === BigInt(events.lines), 'chain_excerpt', 'data.json counts other audit entries');
  report.done('chain_excerpt', `${events.lines} entries of the period; every hash and link was computed again`);
}
