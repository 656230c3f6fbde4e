// The signature: does it cover exactly these files, and whose is it? Ed25519 is the browser's own.

import { fromBase64, fromHex, sha256, toBase64, utf8 } from './bytes.mjs';
import { canonical, decode, parse } from './json.mjs';
import { BROKEN, Fault, INCOMPLETE, NOTE, need, told } from './report.mjs';
import { maybe, moment, shaped, text } from './shape.mjs';

const IN_TOTO = 'application/vnd.in-toto+json';
/** What is made after the signature, over it. */
const LATER = ['chain-attestation.json', 'MANIFEST.txt', 'MANIFEST.txt.tsr'];
const SPKI = '302a300506032b6570032100';
const NO_ED25519 = 'this browser cannot check Ed25519 signatures here (it is too old, or the page was not opened over HTTPS): everything else was '
  + 'checked, but whoever had the pack could have changed all of it together. Use a current browser, or verify_pack.py';

export const keyId = (raw) => sha256(raw).slice(0, 16);

/** The 32 bytes of a public key: PEM (SPKI), hex or base64. */
export function readKey(typed) {
  const trimmed = typed.trim();
  let raw;
  if (trimmed.startsWith('-----BEGIN PUBLIC KEY-----')) {
    const der = fromBase64(trimmed.split(/\r?\n/).slice(1, -1).join(''));
    const isKey = der?.length === 44 && der.subarray(0, 12).every((byte, at) => byte === fromHex(SPKI)[at]);
    need(isKey, 'the PEM text is not an Ed25519 public key');
    raw = der.slice(12);
  } else {
    raw = /^[0-9a-fA-F]{64}$/.test(trimmed) ? fromHex(trimmed) : fromBase64(trimmed);
  }
  need(raw?.length === 32, 'it is neither PEM nor 32 bytes in hex or base64');
  return raw;
}

const KEYS = { keys: [{ kid: text, alg: text, public_key: text, not_before: maybe(moment), not_after: maybe(moment) }] };

/** The keys of /.well-known/driftpack-keys.json, with the times between which each was valid. */
export function readKeys(bytes) {
  const { keys } = shaped(parse(decode(bytes)), KEYS);
  need(keys.length > 0, 'the list has no keys');
  return keys.map((key) => {
    const raw = fromBase64(key.public_key);
    need(raw?.length === 32 && key.alg === 'Ed25519' && key.kid === keyId(raw), 'the list of keys contradicts itself');
    return { raw, notBefore: key.not_before, notAfter: key.not_after };
  });
}

/** One key, or a list of them, as somebody has typed it in. */
export const readOwn = (typed) => (typed.trimStart().startsWith('{') ? readKeys(utf8(typed)) : [{ raw: readKey(typed) }]);

/** Whether the browser has Ed25519 at all: it is asked to take a key that is known to be good (RFC 8032, 7.1, test 1). */
async function hasEd25519() {
  const known = fromHex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
  try {
    await crypto.subtle.importKey('raw', known, { name: 'Ed25519' }, false, ['verify']);
    return true;
  } catch {
    return false;
  }
}

async function isSigned(raw, message, signature) {
  try {
    const key = await crypto.subtle.importKey('raw', raw, { name: 'Ed25519' }, false, ['verify']);
    return await crypto.subtle.verify({ name: 'Ed25519' }, key, signature, message);
  } catch {
    return false;
  }
}

/** The key that the pack itself names; not more than a claim. */
function namedKey(pack, report) {
  const told_ = pack.provenance?.signing_key;
  if (!told_) return undefined;
  try {
    const raw = readKey(told_.pem);
    const agrees = told_.kid === keyId(raw) && told_.alg === 'Ed25519' && told_.public_key === toBase64(raw);
    need(agrees, 'its PEM text is another key than its public_key');
    return { raw };
  } catch (error) {
    report.put('trust', BROKEN, `provenance.json: ${told(error)}`);
    return undefined;
  }
}

/** The id of the key whose signature is right. `pinned`: keys that are known from elsewhere. */
export async function checkSignature(pack, pinned, report) {
  const { attestation: attested } = pack;
  if (!attested) {
    report.put('signature', INCOMPLETE, 'there is no readable attestation that could be signed');
    return undefined;
  }
  if (!attested.signature) {
    report.put('signature', pinned.length ? BROKEN : INCOMPLETE, 'the pack is not signed: whoever had it could have changed it');
    return undefined;
  }
  const named = namedKey(pack, report);
  const keys = pinned.length ? pinned : [named].filter(Boolean);
  if (keys.length === 0) {
    report.put('signature', INCOMPLETE, 'the pack does not hold the public key; give it to this page');
    return undefined;
  }
  if (!(await hasEd25519())) {
    report.put('signature', INCOMPLETE, NO_ED25519);
    return undefined;
  }
  let key;
  try {
    key = await opened(pack, attested, keys);
  } catch (error) {
    const ids = attested.signature.signatures.map((signature) => signature.keyid).join(', ');
    const yours = pinned.map(({ raw }) => keyId(raw)).join(', ');
    report.put('signature', BROKEN, `${told(error)}${pinned.length ? ` (it names the key ${ids}; trusted are ${yours})` : ''}`);
    return undefined;
  }
  trust(key, named, attested, pinned, report);
  return keyId(key.raw);
}

/** The key that signed; a fault where the signature does not cover this file and exactly these files. */
async function opened(pack, attested, keys) {
  const { payload, payloadType, signatures } = attested.signature;
  need(payloadType === IN_TOTO, 'its payloadType is not the expected one');
  const body = fromBase64(payload);
  need(body, 'its payload is not base64');
  const head = utf8(`DSSEv1 ${IN_TOTO.length} ${IN_TOTO} ${body.length} `);
  const message = new Uint8Array(head.length + body.length);
  message.set(head);
  message.set(body, head.length);
  let key;
  for (const candidate of keys) {
    for (const { sig } of signatures) {
      const raw = fromBase64(sig);
      if (!key && raw && (await isSigned(candidate.raw, message, raw))) key = candidate;
    }
  }
  if (!key) throw new Fault('none of the keys made its signature');
  const statement = parse(decode(body));
  need(Object.keys(statement).sort().join() === '_type,predicate,predicateType,subject', 'the signed statement has other members');
  const isKnown = statement._type === 'https://in-toto.io/Statement/v1' && statement.predicateType === 'urn:driftpack:chain-attestation:v1';
  need(isKnown, 'the signed statement is of another type');
  const { signature: _, ...rest } = attested;
  need(canonical(statement.predicate) === canonical(rest), 'the signed attestation says something else than the file');
  const subjects = statement.subject.map((subject) => `${subject.name} ${subject.digest.sha256}`).sort();
  const others = [...pack.files].filter(([name]) => !LATER.includes(name));
  const files = others.map(([name, file]) => `${name} ${file.sha256}`).sort();
  need(subjects.join('\n') === files.join('\n'), 'the signed hashes are not those of the files');
  return key;
}

function trust(key, named, attested, pinned, report) {
  const id = keyId(key.raw);
  const { signatures } = attested.signature;
  report.require(signatures.length === 1, 'signature', 'there is more than the one signature');
  report.require(signatures.every(({ keyid }) => keyid === id), 'trust', 'the signature names another key than the one that made it');
  report.done('signature', 'it covers every file as it is, and the attested chain position');
  report.require(!named || keyId(named.raw) === id, 'trust', 'provenance.json names another key');
  const at = moment(attested.verified_at);
  const isValid = (!key.notBefore || moment(key.notBefore) <= at) && (!key.notAfter || at <= moment(key.notAfter));
  report.require(isValid, 'trust', `the key ${id} was not valid when the pack was signed`);
  if (pinned.length) {
    report.done('trust', `signed by ${id}, a key that is trusted here`);
  } else {
    report.put('trust', NOTE, `trust on first use: the pack brought its own key ${id}, so the signature shows that the files belong `
      + 'together, not who signed them. Get the key from the organisation by another way, then give it to this page');
  }
}
