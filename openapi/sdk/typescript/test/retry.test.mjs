// What is tried again, what is not, and for how long.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RETRIES, retrying } from 'driftpack-client';

/** Sends to a service that answers with one step after the other; gives the last status and the waits. */
async function send(request, ...steps) {
  const waits = [];
  const inner = async () => {
    const step = steps.shift();
    if (step instanceof Error) throw step;
    const [status, headers] = Array.isArray(step) ? step : [step, {}];
    return new Response(null, { status, headers });
  };
  const { path = '/api/v2/me', ...init } = request;
  const answer = await retrying(RETRIES, inner, async (wait) => void waits.push(wait))(`http://service${path}`, init);
  return { status: answer.status, waits };
}

const cut = () => new TypeError('fetch failed');

test('a busy service is asked again when it says', async () => {
  assert.deepEqual(await send({}, [503, { 'retry-after': '3' }], 200), { status: 200, waits: [3000] });
});

test('a cut connection is made again, and it ends', async () => {
  const { status, waits } = await send({}, cut(), cut(), 200);
  assert.equal(status, 200);
  assert.ok(waits.length === 2 && waits[0] > 0 && waits[0] <= 250 && waits[1] >= 250);
  assert.equal((await send({}, ...Array(5).fill(503))).waits.length, 4);
  await assert.rejects(send({}, ...Array(5).fill(cut())), TypeError);
});

test('a limit of hours is an answer, and so are refusals', async () => {
  assert.deepEqual(await send({}, [429, { 'retry-after': '7200' }]), { status: 429, waits: [] });
  for (const status of [400, 401, 403, 404, 409, 422, 500]) {
    assert.deepEqual(await send({}, status), { status, waits: [] });
  }
});

test('what might be done twice is not repeated; with a key, or as a scan, it is', async () => {
  assert.deepEqual(await send({ method: 'POST' }, 503), { status: 503, waits: [] });
  await assert.rejects(send({ method: 'POST' }, cut()), TypeError);
  assert.equal((await send({ method: 'POST', headers: { 'Idempotency-Key': 'k' }, body: '{}' }, 503, 202)).status, 202);
  assert.equal((await send({ method: 'POST', path: '/api/v2/orgs/x/scans', body: '{}' }, 503, 201)).status, 201);
});
