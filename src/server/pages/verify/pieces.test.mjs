// A pack is the same in whatever pieces the browser hands out what it unpacks: `PACK=pack.zip node --test`.

import assert from 'node:assert/strict';
import { openAsBlob } from 'node:fs';
import { test } from 'node:test';

import { verify } from './verify.mjs';

const Browsers = globalThis.DecompressionStream;

/** Unpacks as the browser does, in pieces of these lengths, one after the other, from the first again at their end. */
function cutting(lengths) {
  return class {
    constructor(format) {
      const inner = new Browsers(format);
      let n = 0;
      const cut = new TransformStream({
        transform(bytes, pieces) {
          for (let at = 0; at < bytes.length; n += 1) {
            const length = lengths[n % lengths.length];
            pieces.enqueue(bytes.subarray(at, at + length));
            at += length;
          }
        },
      });
      this.writable = inner.writable;
      this.readable = inner.readable.pipeThrough(cut);
    }
  };
}

test('a pack is the same in pieces of any length', async () => {
  const pack = await openAsBlob(process.env.PACK);
  const whole = await verify(pack);
  const wrong = whole.checks.filter(({ name, status }) => name !== 'archive' && !['ok', 'note'].includes(status));
  assert.deepEqual(wrong, []);
  for (const lengths of [[1], [2, 3, 5, 7, 11, 13], [61], [1021]]) {
    globalThis.DecompressionStream = cutting(lengths);
    try {
      assert.deepEqual((await verify(pack)).checks, whole.checks, `pieces of ${lengths}`);
    } finally {
      globalThis.DecompressionStream = Browsers;
    }
  }
});
