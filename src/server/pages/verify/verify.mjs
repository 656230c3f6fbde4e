// A pack from its first byte to the answer. Everything happens here, in the browser (or in Node): nothing is sent anywhere.

import { Events, checkChain, readAttestation } from './chain.mjs';
import { ENTRIES, Unpacked, open } from './container.mjs';
import { checkFigures, readData } from './figures.mjs';
import { decode, parse } from './json.mjs';
import { BROKEN, Fault, INCOMPLETE, NOTE, OK, Report, TRUNCATED, need, told } from './report.mjs';
import { PROVENANCE, moment, shaped } from './shape.mjs';
import { checkSignature, keyId } from './signature.mjs';
import { STAMP_MAX, checkStamp } from './stamp.mjs';
import { Counted, Csv } from './tables.mjs';

const [MANIFEST, ATTESTATION, TOLD, STAMP] = ['MANIFEST.txt', 'chain-attestation.json', 'provenance.json', 'MANIFEST.txt.tsr'];
const SMALL_MAX = 32 * 2 ** 20;

/** The report on a pack. `keys`: those that are trusted; `against`: earlier packs; `progress(done, all)`: bytes unpacked so far. */
export async function verify(blob, { keys = [], against = [], progress = () => {} } = {}) {
  const older = [];
  for (const file of against) older.push({ name: file.name ?? 'the earlier pack', report: await verify(file, { keys }) });
  const facts = older.map(({ report }) => report.facts).filter(Boolean);
  const watch = { seqs: facts.map((fact) => fact.head_seq), exports: new Set(facts.map((fact) => fact.export_id)) };
  const report = new Report();
  const opened = await open(blob, report);
  if (opened === null) return report;
  const pack = await readFiles(blob, opened, { report, watch, progress });
  checkFigures(pack, report);
  checkChain(pack, report);
  const signedBy = await checkSignature(pack, keys, report);
  checkStamp(pack, report);
  report.facts = factsOf(pack, signedBy);
  checkContinuity(pack, report, older, keys);
  return report;
}

function factsOf({ provenance, attestation, files }, signedBy) {
  if (!provenance || !attestation || !files.has(MANIFEST)) return null;
  const { org, period, request } = provenance;
  const { chain, verified_at, head_seq, head_hash_hex } = attestation;
  return {
    org: org.slug, name: org.name, period, export_id: request.export_id, chain, verified_at, head_seq, head_hash_hex,
    manifest_sha256: files.get(MANIFEST).sha256, signed_by: signedBy,
  };
}

/** What was read. Absent: not in the pack, or not readable; then a check says so. */
async function readFiles(blob, { entries, at }, { report, watch, progress }) {
  const pack = { at, files: new Map(), tables: new Map(), counted: new Counted(), attestation: null, provenance: null, data: null, events: null, stamp: null };
  const all = [...entries.values()].reduce((sum, entry) => sum + entry.size, 0);
  let done = 0;
  const more = (bytes) => progress((done += bytes), all);
  const first = [MANIFEST, ATTESTATION, TOLD];
  let listed = null;
  for (const name of [...first, ...ENTRIES.filter((entry) => !first.includes(entry))].filter((entry) => entries.has(entry))) {
    const file = new Unpacked(blob, entries.get(name), more);
    const chunks = file.chunks();
    const reader = READERS[name] ?? (name.endsWith('.csv') ? READERS.csv : READERS.other);
    try {
      const found = await reader.read(chunks, { pack, watch, name, report });
      if (name === MANIFEST) listed = found;
    } catch (error) {
      report.put(reader.check, BROKEN, `${name}: ${told(error)}`);
    }
    try {
      // A reader that stopped early has closed the file: what it did not see is hashed in a second pass.
      const whole = file.sha256 ? file : await hashed(new Unpacked(blob, entries.get(name), () => {}));
      pack.files.set(name, whole);
    } catch (error) {
      report.put('archive', BROKEN, `${name} could not be read to its end: ${told(error)}`);
    }
  }
  checkManifest(pack, listed, report);
  return pack;
}

async function hashed(file) {
  for await (const _ of file.chunks());
  return file;
}

async function small(chunks) {
  const parts = [];
  let size = 0;
  for await (const part of chunks) {
    parts.push(part);
    size += part.length;
    need(size <= SMALL_MAX, 'it is larger than any');
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** So many bytes at most; the rest is read, and not kept. */
async function beginning(chunks, most) {
  const parts = [];
  let size = 0;
  for await (const part of chunks) {
    if (size < most) parts.push(part);
    size += part.length;
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer()).subarray(0, most);
}

/** How each file is read; `check` is what objects when it cannot be. */
const READERS = {
  [MANIFEST]: { check: 'archive', read: (chunks) => small(chunks) },
  [ATTESTATION]: {
    check: 'attestation',
    read: async (chunks, { pack }) => { pack.attestation = readAttestation(await small(chunks)); },
  },
  [TOLD]: {
    check: 'provenance',
    read: async (chunks, { pack }) => { pack.provenance = shaped(parse(decode(await small(chunks))), PROVENANCE); },
  },
  [STAMP]: { check: 'time_stamp', read: async (chunks, { pack }) => { pack.stamp = await beginning(chunks, STAMP_MAX + 1); } },
  'data.json': { check: 'data', read: async (chunks, { pack }) => { pack.data = await readData(chunks); } },
  'audit_events.ndjson': {
    check: 'chain_excerpt',
    read: async (chunks, { pack, watch, report }) => {
      if (!pack.attestation) {
        report.put('chain_excerpt', INCOMPLETE, 'the excerpt cannot be read without a readable chain-attestation.json');
        return;
      }
      const events = new Events(pack.attestation, watch);
      for await (const part of chunks) events.push(part);
      pack.events = events.end();
    },
  },
  'summary.pdf': {
    check: 'archive',
    read: async (chunks) => {
      let head = '';
      for await (const part of chunks) {
        if (head.length < 5) head += String.fromCharCode(...part.subarray(0, 5));
      }
      need(head.startsWith('%PDF-'), 'it is no PDF');
    },
  },
  csv: {
    check: 'tables',
    read: async (chunks, { pack, name }) => {
      const csv = new Csv(name.slice(0, -4), pack.counted);
      for await (const part of chunks) csv.push(part);
      pack.tables.set(name, csv.end());
    },
  },
  other: { check: 'archive', read: async (chunks) => { for await (const _ of chunks); } },
};

function checkManifest(pack, bytes, report) {
  if (!bytes) {
    report.put('manifest', INCOMPLETE, 'there is no readable MANIFEST.txt');
    return;
  }
  const listed = new Map();
  try {
    const lines = decode(bytes).split('\n');
    need(lines.pop() === '', 'MANIFEST.txt does not end with a line feed');
    let last = '';
    for (const line of lines) {
      const match = /^([0-9a-f]{64}) {2}([A-Za-z0-9][A-Za-z0-9_.-]*)$/.exec(line);
      if (!match || match[2] <= last) throw new Fault(`MANIFEST.txt has a line that is none, twice, or out of order: «${line.slice(0, 100)}»`);
      last = match[2];
      listed.set(last, match[1]);
    }
  } catch (error) {
    report.put('manifest', BROKEN, told(error));
    return;
  }
  for (const [name, sha256] of listed) {
    const actual = pack.files.get(name)?.sha256;
    if (name === MANIFEST || name === STAMP) report.put('manifest', BROKEN, `${name} is listed, and was made after the list`);
    else if (!actual) report.put('manifest', BROKEN, `${name} is listed and cannot be read in the pack`);
    else report.require(actual === sha256, 'manifest', `${name} was changed: SHA-256 ${actual}, listed ${sha256}`);
  }
  for (const name of pack.files.keys()) {
    report.require(listed.has(name) || name === MANIFEST || name === STAMP, 'manifest', `${name} is in the pack and not listed`);
  }
  report.done('manifest', `${listed.size} files, each with the listed SHA-256`);
}

/** What already left the house binds what comes later. */
function checkContinuity({ attestation, events }, report, older, keys) {
  const put = (status, detail) => report.put('continuity', status, detail);
  const now = report.facts;
  if (older.length === 0) return put(NOTE, 'no earlier pack was given to compare with');
  if (!now) return put(INCOMPLETE, 'this pack says too little to be compared with earlier ones');
  const trusted = new Set(keys.map(({ raw }) => keyId(raw)));
  for (const { name, report: { facts: then, result } } of older) {
    if (!then || result !== OK) {
      put(INCOMPLETE, `${name} is itself ${result}, so it proves nothing`);
      continue;
    }
    if (then.signed_by !== now.signed_by && !(trusted.has(then.signed_by) && trusted.has(now.signed_by))) {
      put(INCOMPLETE, `${name} was signed by another key, and not both are trusted`);
    }
    const seq = then.head_seq;
    const said = [...attestation.previous_attestations, attestation].filter((p) => (p.seq ?? p.head_seq) === seq).map((p) => p.hash_hex ?? p.head_hash_hex);
    const found = events?.at(seq);
    if (found) said.push(found);
    if (then.chain !== now.chain) put(BROKEN, `${name} is of another chain`);
    else if (moment(then.verified_at) > moment(now.verified_at)) put(INCOMPLETE, `${name} is younger than this pack; exchange the two`);
    else if (seq > now.head_seq) put(TRUNCATED, `${name} attests entry ${seq}; the chain now ends at ${now.head_seq}`);
    else if (said.length === 0) put(INCOMPLETE, `this pack does not name ${name} among the earlier ones, and entry ${seq} lies outside its excerpt`);
    else if (said.every((hash) => hash === then.head_hash_hex)) put(OK, `the chain still holds entry ${seq} as ${name} attested it`);
    else put(BROKEN, `the chain was rewritten: entry ${seq} has another hash than ${name} attested`);
    const recorded = events?.completed.get(then.export_id);
    if (recorded && recorded !== then.manifest_sha256) put(BROKEN, `the chain recorded another content for ${name} when it was built`);
  }
  return undefined;
}
