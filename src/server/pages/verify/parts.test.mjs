// The parts of the page that no browser brings, against published vectors and against Node's own: `node --test`.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import { Sha256, crc32, fromBase64, sha256, utf8 } from './bytes.mjs';
import { Stream, canonical, parse, plain } from './json.mjs';
import { moment } from './shape.mjs';
import { Csv, Counted, jsonRow } from './tables.mjs';

test('SHA-256 has the published values', () => {
  const vectors = {
    '': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    abc: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq: '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  };
  for (const [text, hash] of Object.entries(vectors)) assert.equal(sha256(utf8(text)), hash);
  const million = new Sha256();
  for (let n = 0; n < 1000; n += 1) million.update(utf8('a'.repeat(1000)));
  assert.equal(million.hex(), 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0');
});

test('SHA-256 in pieces of any length is that of the whole', () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, n) => (n * 7919) & 255);
  for (let length = 0; length < 260; length += 1) {
    const whole = createHash('sha256').update(bytes.subarray(0, length)).digest('hex');
    for (const cut of [0, 1, 55, 63, 64, 65, 128]) {
      const at = Math.min(cut, length);
      assert.equal(new Sha256().update(bytes.subarray(0, at)).update(bytes.subarray(at, length)).hex(), whole, `${length} at ${cut}`);
    }
  }
});

test('CRC-32 has the published value, in pieces too', () => {
  assert.equal(crc32(0, utf8('123456789')), 0xcbf43926);
  assert.equal(crc32(crc32(0, utf8('1234')), utf8('56789')), 0xcbf43926);
});

test('base64 has one way to be written', () => {
  assert.deepEqual(fromBase64('aGk='), utf8('hi'));
  for (const other of ['aGk', 'aGl=', 'aGk=\n', 'a-k=', '====']) assert.equal(fromBase64(other), undefined, other);
});

test('JSON that two readers read differently is refused', () => {
  for (const text of ['{"a":1,"a":1}', 'NaN', '[Infinity]', '1e999', '"\\ud800"', '\ufeff1', '1 2', '['.repeat(5000), '{', '"\t"', '01', '.5', "'a'", '[1,]']) {
    assert.throws(() => parse(text), undefined, text);
  }
  assert.equal(canonical(parse(' {"b":[1,null,"é"],"a":9223372036854775807}\n')), '{"a":9223372036854775807,"b":[1,null,"é"]}');
  assert.equal(canonical(parse('{"\u{1f600}":1,"\ufb33":2}')), '{"\u{1f600}":1,"\ufb33":2}');
});

test('a document is the same wherever the pieces that it comes in are cut', async () => {
  const inner = '{"h":[-12.50,0.5,1e+5,2E-2,0,-7,9223372036854775807],"t":"ü\\"\\\\ \\u00e9 \u{1f600}","l":[true,false,null],"o":{},"e":[ ] }';
  const bytes = utf8(`{"a": ${inner} ,"b":-12.5,"c":1e5}`);
  async function read(...cuts) {
    async function* pieces() {
      for (const [n, cut] of [0, ...cuts].entries()) yield bytes.subarray(cut, cuts[n]);
    }
    const stream = new Stream(pieces());
    const found = [];
    for (const name of ['a', 'b', 'c']) {
      await stream.name(name, name === 'a');
      found.push(await stream.value());
    }
    await stream.take('}');
    assert.equal(await stream.peek(), '');
    return found;
  }
  const whole = await read();
  assert.deepEqual(whole, [parse(inner), -12.5, 100000]);
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    assert.deepEqual(await read(cut), whole, `cut at ${cut}`);
    for (let next = cut; next <= bytes.length; next += 1) assert.deepEqual(await read(cut, next), whole, `cut at ${cut} and ${next}`);
  }
});

const HEAD = 'kind,reference,subject,count,who,when,why\n';
const read = (text, size = text.length) => {
  const csv = new Csv('exceptions', new Counted());
  const bytes = utf8(text);
  for (let at = 0; at < bytes.length; at += size) csv.push(bytes.subarray(at, at + size));
  return csv.end();
};

test('a CSV is written one way, whatever the pieces it comes in', () => {
  const row = '"a ""b"", c",,\'=1,5,"two\nlines",2026-01-01T00:00:00.000000Z,ü\n';
  const whole = read(HEAD + row);
  assert.equal(whole.rows, 1);
  for (const size of [1, 2, 3, 7]) assert.deepEqual(read(HEAD + row, size), whole);
  const wrong = [row.replaceAll('\n', '\r\n'), row.replace('ü', '"ü"'), row.trimEnd(), row.replace('ü', 'a"b'), row.replace("'=1", '=1'), `${row},`];
  for (const other of wrong) assert.throws(() => read(HEAD + other), undefined, other);
  assert.throws(() => read(`\ufeff${HEAD}`));
  assert.throws(() => read(''));
});

test('a row of data.json is refused where a member is missing, moved or of another kind', () => {
  const row = '{"kind":"a","reference":null,"subject":"b","count":1,"who":null,"when":null,"why":null}';
  jsonRow('exceptions', parse(row));
  for (const other of [row.replace('1', '"1"'), row.replace('"a"', '""'), row.replace('"kind":"a",', ''), row.replace('1', '9223372036854775808')]) {
    assert.throws(() => jsonRow('exceptions', parse(other)), undefined, other);
  }
});

test('a time is a real one, in UTC', () => {
  assert.equal(moment('2026-02-28T23:59:59Z'), '2026-02-28T23:59:59.000000000');
  for (const other of ['2026-02-30T00:00:00Z', '2026-01-01T24:00:00Z', '2026-01-01T00:00:00+00:00', '2026-01-01', 5]) assert.throws(() => moment(other));
});

test('what is plain is read as the slow reader reads it, and everything else is left to that one', () => {
  const same = (value) => JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? `${inner}n` : inner));
  const texts = ['{"a":1,"b":[true,null,"x",-2,0.5],"c":{"ä":"\\n"}}', '{}', '{"n":9007199254740991}', '{"t":"a\\"b\\\\"}'];
  for (const text of texts) assert.equal(same(plain(text)), same(parse(text)), text);
  const others = ['{"a":1,"a":2}', '{"a": 1}', '{"a":1.0}', '{"a":-0}', '{"a":1e3}', '{"a":9007199254740992}', '{"a":9007199254740993}', '{"a":1e400}',
    '{"a":"\\u00e9"}', '{"a":"\\ud800"}', '{"__proto__":{"b":1}}', '{"b":1,"1":2}', '{"a":"\\/"}', '{"a":1}{', '{"a":1', '{"a":01}', ''];
  for (const text of others) assert.equal(plain(text), undefined, text);
  for (const depth of [98, 99, 100, 150, 20_000]) {
    const text = `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    const slow = () => same(parse(text));
    if (depth < 100) assert.equal(same(plain(text)), slow());
    else assert.equal(plain(text), undefined, `depth ${depth}`);
  }
});

test('a row is the same with and without a line of its own', async () => {
  const rows = ['{"a":1,"b":"},\\n{"}', '{"a":2}', '{ "a":3.0}', '{"a":"\\u00e9"}'];
  const read = async (text) => {
    const stream = new Stream((async function* () { yield utf8(text); })());
    const found = [];
    await stream.take('[');
    while ((await stream.peek()) !== ']') {
      if (found.length) await stream.take(',');
      found.push(canonical(await stream.value()));
    }
    return found;
  };
  const apart = await read(`[${rows.join(',\n')}\n]`);
  assert.deepEqual(apart, await read(`[${rows.join(',')}]`));
  assert.deepEqual(apart, await read(`[${rows.join(' ,\n')}]`));
  assert.equal(apart.length, rows.length);
  await assert.rejects(read('[{"a":1,\n"a":2}]'), /twice/);
});

test('rows without line ends of their own are not looked for again and again', async () => {
  const [long, short] = [`{"a":"${'x'.repeat(4_000_000)}"}`, '{"a":[],"b":[{}],"c":"a text that makes it as long as a short row"}'];
  const rows = [long, ...Array(40_000).fill(short)];
  const stream = new Stream((async function* () { yield utf8(`[${rows.join(',')}]\n`); })());
  let read = 0;
  await stream.take('[');
  for (; (await stream.peek()) !== ']'; read += 1) {
    if (read) await stream.take(',');
    await stream.value();
  }
  assert.equal(read, rows.length);
});
