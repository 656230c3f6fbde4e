// Checking a pack that is on disk.
//
// `verify` needs nothing but the file, and shows that every byte in it is what the manifest says. That the manifest is what
// the service signed, and that the audit log continues earlier packs, is what `verifyWithProgram` finds out.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';

import yauzl, { type Entry, type ZipFile } from 'yauzl';

import { BrokenPack } from './errors.js';

const MANIFEST = 'MANIFEST.txt';
const MANIFEST_BYTES_MAX = 1 << 20;
/** Made over the manifest, so it cannot be listed there; OpenSSL checks it. */
const TIME_STAMP = 'MANIFEST.txt.tsr';
const LINE = /^([0-9a-f]{64}) {2}(\S.*)$/;

/** The SHA-256 of each entry, all as MANIFEST.txt has them and no entry more or less; throws `BrokenPack`. */
export async function verify(pack: string): Promise<Map<string, string>> {
  let found: Map<string, string>;
  let manifest: Buffer | undefined;
  try {
    ({ found, manifest } = await read(pack));
  } catch (fault) {
    if (fault instanceof BrokenPack) throw fault;
    throw new BrokenPack(`${pack} cannot be read: ${(fault as Error).message}`, { cause: fault });
  }
  if (manifest === undefined) throw new BrokenPack(`${MANIFEST} is missing`);
  const listed = readManifest(manifest);
  found.delete(TIME_STAMP);
  for (const name of listed.keys()) if (!found.has(name)) throw new BrokenPack(`${name} is missing`);
  for (const [name, digest] of found) {
    if (!listed.has(name)) throw new BrokenPack(`${name} is not in the manifest`);
    if (listed.get(name) !== digest) throw new BrokenPack(`${name} is not what the manifest says`);
  }
  return found;
}

/** What `driftpack verify --json` says. */
export interface Report {
  result: string;
  [member: string]: unknown;
}

/**
 * The report of `driftpack verify --json`; throws `BrokenPack` unless its result is `ok`. Pass `['--key', 'acme.pub']` to
 * believe no key but yours, `['--against', 'older.zip']` to check continuity.
 */
export async function verifyWithProgram(
  pack: string,
  options: { program?: string; arguments?: string[] } = {},
): Promise<Report> {
  const command = ['verify', pack, '--json', ...(options.arguments ?? [])];
  const run = promisify(execFile);
  const done = await run(options.program ?? 'driftpack', command, { maxBuffer: 64 << 20 }).catch((fault: unknown) => {
    const { code, stdout } = fault as { code?: unknown; stdout?: string };
    // 1 broken, 2 truncated, 3 incomplete: the report says more
    if (typeof code === 'number' && code <= 3 && stdout) return { stdout };
    throw fault;
  });
  const report = JSON.parse(done.stdout) as Report;
  if (report.result !== 'ok') throw new BrokenPack(`${pack} is ${report.result}`);
  return report;
}

async function read(pack: string): Promise<{ found: Map<string, string>; manifest: Buffer | undefined }> {
  const archive = await new Promise<ZipFile>((resolve, reject) => {
    yauzl.open(pack, { lazyEntries: true, autoClose: false }, (fault, zip) => (fault ? reject(fault) : resolve(zip)));
  });
  try {
    const found = new Map<string, string>();
    let manifest: Buffer | undefined;
    for await (const entry of entries(archive)) {
      if (found.has(entry.fileName) || (entry.fileName === MANIFEST && manifest)) {
        throw new BrokenPack(`${entry.fileName} is there twice`);
      }
      if (entry.fileName === MANIFEST) manifest = await content(archive, entry);
      else found.set(entry.fileName, await sha256(archive, entry));
    }
    return { found, manifest };
  } finally {
    archive.close();
  }
}

async function* entries(archive: ZipFile): AsyncGenerator<Entry> {
  for (;;) {
    const entry = await new Promise<Entry | undefined>((resolve, reject) => {
      archive.once('entry', resolve);
      archive.once('end', () => resolve(undefined));
      archive.once('error', reject);
      archive.readEntry();
    });
    archive.removeAllListeners();
    if (entry === undefined) return;
    yield entry;
  }
}

function open(archive: ZipFile, entry: Entry): Promise<Readable> {
  return new Promise((resolve, reject) => {
    archive.openReadStream(entry, (fault, stream) => (fault ? reject(fault) : resolve(stream)));
  });
}

async function sha256(archive: ZipFile, entry: Entry): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of await open(archive, entry)) digest.update(chunk as Buffer);
  return digest.digest('hex');
}

async function content(archive: ZipFile, entry: Entry): Promise<Buffer> {
  if (entry.uncompressedSize > MANIFEST_BYTES_MAX) throw new BrokenPack(`${MANIFEST} is too large`);
  const chunks: Buffer[] = [];
  for await (const chunk of await open(archive, entry)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function readManifest(text: Buffer): Map<string, string> {
  const listed = new Map<string, string>();
  for (const line of text.toString('utf8').split('\n')) {
    if (line === '') continue;
    const [, digest, name] = LINE.exec(line) ?? [];
    if (digest === undefined || name === undefined || listed.has(name)) {
      throw new BrokenPack(`${MANIFEST} has a line that is none: ${JSON.stringify(line)}`);
    }
    listed.set(name, digest);
  }
  return listed;
}
