// The time stamp over MANIFEST.txt: an RFC 3161 answer in DER. Its signature and certificate are not checked here; `openssl ts -verify`
// does, with the authority that the auditor trusts.

import { toHex } from './bytes.mjs';
import { BROKEN, Fault, INCOMPLETE, NOTE, OK, need, told } from './report.mjs';
import { moment } from './shape.mjs';

export const STAMP_MAX = 64 * 1024;
const STAMP = 'MANIFEST.txt.tsr';
/** How far the clocks of an authority and of the product may differ, and how late a pack may be dated. Microseconds. */
const [CLOCKS, LATE] = [300_000_000n, 86_400_000_000n];
const [SHA_256, SIGNED_DATA, TST_INFO] = ['608648016503040201', '2a864886f70d010702', '2a864886f70d0109100104'];
const [NO_ANSWER, NO_TOKEN] = ['it is no RFC 3161 answer in DER', 'it holds no signed token of the RFC 3161 kind'];

/** Tag and content of each part; a length has one way to be written. */
function der(raw, fault) {
  const parts = [];
  let at = 0;
  while (at < raw.length) {
    need(at + 2 <= raw.length && (raw[at] & 31) !== 31, fault);
    const tag = raw[at];
    let length = raw[at + 1];
    at += 2;
    if (length > 127) {
      const wide = length - 128;
      need(wide >= 1 && wide <= 4 && at + wide <= raw.length, fault);
      length = raw.subarray(at, at + wide).reduce((sum, byte) => sum * 256 + byte, 0);
      need(length > 127 && length >= 256 ** (wide - 1), fault);
      at += wide;
    }
    need(at + length <= raw.length, fault);
    parts.push({ tag, content: raw.subarray(at, at + length) });
    at += length;
  }
  return parts;
}

/** The parts of these bytes; the first ones must have these tags. */
function parts(raw, tags, fault) {
  const found = der(raw, fault);
  need(tags.every((tag, n) => found[n]?.tag === tag), fault);
  return found;
}

function within(part, tag, tags, fault) {
  need(part.tag === tag, fault);
  return parts(part.content, tags, fault);
}

/** The token of an answer that grants one: the content of its SignedData. */
function granted(raw) {
  const whole = parts(raw, [0x30], NO_ANSWER);
  need(whole.length === 1, NO_ANSWER);
  const answer = within(whole[0], 0x30, [0x30], NO_ANSWER);
  const [{ content: status }] = within(answer[0], 0x30, [2], NO_ANSWER);
  need(answer.length <= 2 && status.length === 1, NO_ANSWER);
  need(status[0] <= 1, 'the authority refused');
  need(answer.length === 2, NO_TOKEN);
  const [kind, content] = within(answer[1], 0x30, [6, 0xa0], NO_TOKEN);
  need(toHex(kind.content) === SIGNED_DATA, NO_TOKEN);
  const signed = within(within(content, 0xa0, [0x30], NO_TOKEN)[0], 0x30, [2, 0x31, 0x30], NO_TOKEN);
  const signers = signed.at(-1);
  need(signed.length > 3 && signers.tag === 0x31 && signers.content.length > 0, NO_TOKEN);
  return signed[2];
}

/** The SHA-256 that the answer is over, and the time it says. */
export function readStamp(raw) {
  need(raw.length <= STAMP_MAX, 'it is larger than any time stamp');
  const [kind, content] = within(granted(raw), 0x30, [6, 0xa0], NO_TOKEN);
  need(toHex(kind.content) === TST_INFO, NO_TOKEN);
  const info = parts(within(content, 0xa0, [4], NO_TOKEN)[0].content, [0x30], NO_TOKEN);
  need(info.length === 1, NO_TOKEN);
  const [, , imprint, , at] = within(info[0], 0x30, [2, 6, 0x30, 2, 0x18], NO_TOKEN);
  const [algorithm, hash] = within(imprint, 0x30, [0x30, 4], NO_TOKEN);
  need(toHex(within(algorithm, 0x30, [6], NO_TOKEN)[0].content) === SHA_256, 'it is over another hash than SHA-256');
  return { sha256: toHex(hash.content), time: time(String.fromCharCode(...at.content.subarray(0, 40))) };
}

/** `YYYYMMDDHHMMSS[.f…]Z`. */
function time(text) {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d{1,9})?Z$/.exec(text);
  try {
    const [, year, month, day, hour, minute, second, part] = match;
    return moment(`${year}-${month}-${day}T${hour}:${minute}:${second}${part ?? ''}Z`);
  } catch {
    throw new Fault('its time cannot be read');
  }
}

const micros = (sortable) => BigInt(Date.parse(`${sortable.slice(0, 19)}Z`)) * 1000n + BigInt(sortable.slice(20, 26));

export function checkStamp({ stamp, files, provenance, attestation }, report) {
  const put = (status, detail) => report.put('time_stamp', status, detail);
  if (!stamp) {
    const asked = provenance?.time_stamp_authority;
    if (asked) {
      put(NOTE, `the pack bears no time stamp, although ${asked.slice(0, 200)} was to be asked for one: it did not answer then, or ${STAMP} was taken out`);
    }
    return;
  }
  let said;
  try {
    said = readStamp(stamp);
  } catch (error) {
    put(BROKEN, `${STAMP}: ${told(error)}`);
    return;
  }
  const manifest = files.get('MANIFEST.txt');
  if (!manifest) {
    put(INCOMPLETE, 'there is no readable MANIFEST.txt that it could be over');
  } else if (manifest.sha256 !== said.sha256) {
    put(BROKEN, "it was given for another MANIFEST.txt: the list was changed since, or the stamp is another pack's");
  } else {
    put(OK, `it is over MANIFEST.txt as it is, and says ${said.time.slice(0, 19)}Z; who gave it is not checked here: step 7 of AUDIT_LOG_VERIFY.md does, `
      + 'with the certificate of an authority you trust');
    if (attestation) fits(said.time, moment(attestation.verified_at), put);
  }
}

/** Against the moment that the pack says it speaks of. */
function fits(stamped, made, put) {
  const [time, when] = [stamped, made].map((moment_) => `${moment_.slice(0, 19)}Z`);
  const late = micros(stamped) - micros(made);
  if (late < -CLOCKS) {
    put(BROKEN, `it says ${time}, and the pack says that it was made after that, from data of ${when}`);
  } else if (late > LATE) {
    put(NOTE, `the pack says that it was made from data of ${when}, and the authority saw it first at ${time}: nothing outside the `
      + 'organisation shows that it is older than that');
  }
}
