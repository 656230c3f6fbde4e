// A scan goes in and a pack comes out of a running service: see `tests/sdk.rs`, which starts it.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';

import { ApiError, BrokenPack, Driftpack, verify, verifyWithProgram } from 'driftpack-client';

const env = (name) => process.env[name] ?? assert.fail(`${name} is not set`);
const client = (token) => new Driftpack({ baseUrl: env('DRIFTPACK_URL'), token: env(token) });
const refused = (status, code) => (fault) => fault instanceof ApiError && fault.status === status && fault.code === code;
const period = [new Date('2026-01-01T00:00:00Z'), new Date('2026-02-01T00:00:00Z')];

let folder;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'driftpack-ts-'));
});
after(() => rm(folder, { recursive: true }));

test('a scan goes in and a verified pack comes out', async () => {
  const machine = client('DRIFTPACK_API_KEY').organisation(env('DRIFTPACK_ORG'));
  const ci = { repository: 'acme/infra', runUrl: 'https://ci.example.com/runs/17' };
  const first = await machine.ingest(env('DRIFTPACK_SCAN_FILE'), { stateSource: 'typescript', ci });
  const bytes = new Uint8Array(await readFile(env('DRIFTPACK_SCAN_FILE')));
  const again = await machine.ingest(bytes, { stateSource: 'typescript' });
  assert.deepEqual([first.id, first.drifted], [again.id, 1]);

  const org = client('DRIFTPACK_TOKEN').organisation(env('DRIFTPACK_ORG'));
  const row = await org.requestPack(...period, { idempotencyKey: 'typescript' });
  assert.equal((await org.requestPack(...period, { idempotencyKey: 'typescript' })).id, row.id);
  const seen = [];
  const done = await org.waitUntilDone(row.id, { timeout: 240_000, every: 200, onProgress: (one) => seen.push(one) });
  assert.deepEqual(seen.at(-1), done);

  const pack = await org.downloadTo(row.id, folder);
  assert.equal(basename(pack), done.file_name);
  const names = done.entries.map((entry) => entry.name).filter((name) => name !== 'MANIFEST.txt');
  assert.deepEqual([...(await verify(pack)).keys()].sort(), names.sort());
  const program = env('DRIFTPACK_BIN');
  assert.equal((await verifyWithProgram(pack, { program })).result, 'ok');
  assert.deepEqual(await readdir(folder), [basename(pack)]);

  const whole = await readFile(pack);
  await writeFile(pack, whole.subarray(0, -100));
  await assert.rejects(verifyWithProgram(pack, { program }), BrokenPack);
  await assert.rejects(verify(pack), BrokenPack);
  // the first byte of the first entry's content, behind its name
  const changed = Buffer.from(whole);
  changed[30 + whole.readUInt16LE(26) + whole.readUInt16LE(28) + 20] ^= 0xff;
  await writeFile(pack, changed);
  await assert.rejects(verify(pack), BrokenPack);

  await org.deletePack(row.id);
  await assert.rejects(org.downloadTo(row.id, folder), refused(410, 'gone'));
});

test('a refusal has its code', async () => {
  const machine = client('DRIFTPACK_API_KEY');
  assert.equal((await machine.me()).orgs[0].id, env('DRIFTPACK_ORG'));
  const org = machine.organisation(env('DRIFTPACK_ORG'));
  await assert.rejects(org.requestPack(...period), refused(403, 'oidc_required'));
  await assert.rejects(org.ingest(new TextEncoder().encode('{}'), { stateSource: 'x' }), refused(422, 'unknown_format'));
});
