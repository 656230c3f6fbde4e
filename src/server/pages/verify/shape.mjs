// Kinds of values, and the exact members of the JSON files of a pack.

import { need } from './report.mjs';

const I64 = 1n << 63n;

/** Days that exist. */
const days = new Set();
const DAYS_MAX = 100_000;

function isDay(text) {
  if (days.has(text)) return true;
  const midnight = `${text}T00:00:00`;
  const isReal = Date.parse(`${midnight}Z`) >= -62167219200000 && new Date(`${midnight}Z`).toISOString().startsWith(midnight);
  if (isReal && days.size < DAYS_MAX) days.add(text);
  return isReal;
}

/** A UTC time as a text that sorts: nine digits of a second. */
export function moment(text) {
  const match = /^(\d{4}-\d\d-\d\d)(T(?:[01]\d|2[0-3])(?::[0-5]\d){2})(?:\.(\d{1,9}))?Z$/.exec(text);
  need(typeof text === 'string' && match && isDay(match[1]), 'a time is not one in UTC');
  return `${match[1]}${match[2]}.${(match[3] ?? '').padEnd(9, '0')}`;
}

export const seconds = (text) => Date.parse(`${moment(text).slice(0, 19)}Z`) / 1000;

export const isInteger = (value) => typeof value === 'bigint' && -I64 <= value && value < I64;

export function integer(value) {
  need(isInteger(value), 'something is not a whole number');
  return value;
}

export function count(value) {
  need(typeof value === 'bigint' && value >= 0n && value < 1n << 64n, 'something is not a count');
  return value;
}

export const hours = (value) => need(typeof value === 'bigint' || typeof value === 'number', 'something is not a number');
export const text = (value) => need(typeof value === 'string', 'something is not a text');
const flag = (value) => need(typeof value === 'boolean', 'something is neither true nor false');
const any = (value) => need(value !== null && typeof value === 'object', 'something is not an object');

export function uuid(value) {
  need(typeof value === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value), 'an id is none');
  return value;
}

export const isHash = (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
const hash = (value) => need(isHash(value), 'a hash is not 64 lower-case hex digits');

class Maybe {
  constructor(shape) {
    this.shape = shape;
  }
}
export const maybe = (shape) => new Maybe(shape);

const oneOf = (...words) => (value) => need(words.includes(value), `something is none of ${words.join(', ')}`);

/** The value, if it has exactly the members of the shape, each of the right kind. */
export function shaped(value, shape, path = '') {
  if (shape instanceof Maybe) return value === null || value === undefined ? null : shaped(value, shape.shape, path);
  if (typeof shape === 'function') {
    need(value !== undefined, `${path} is missing`);
    shape(value);
  } else if (Array.isArray(shape)) {
    need(Array.isArray(value), `${path} is no list`);
    for (const item of value) shaped(item, shape[0], path);
  } else {
    need(value !== null && typeof value === 'object' && !Array.isArray(value), `${path || 'it'} is no object`);
    for (const key of Object.keys(value)) need(Object.hasOwn(shape, key), `${path}.${key} does not belong there`);
    for (const [key, inner] of Object.entries(shape)) shaped(value[key], inner, `${path}.${key}`);
  }
  return value;
}

/** The same, where other members may be there too. */
export function known(value, shape) {
  if (shape instanceof Maybe) return value === null || value === undefined ? null : known(value, shape.shape);
  if (Array.isArray(shape)) return Array.isArray(value) ? value.map((item) => known(item, shape[0])) : value;
  if (typeof shape === 'function' || value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.keys(shape).filter((key) => key in value).map((key) => [key, known(value[key], shape[key])]));
}

export const LEVELS = ['critical', 'high', 'medium', 'low'];
export const ROLL = ['open_at_start', 'opened', 'reopened', 'resolved', 'accepted', 'false_positive', 'open_at_end'];

const roll = Object.fromEntries(ROLL.map((name) => [name, count]));
const scans = { scans_done: count, scans_partial: count, scans_failed: count };
const query = { name: text, sql: text, sql_sha256: text, parameters: any };
const run = { first: maybe(integer), last: maybe(integer), missing: [any], missing_total: count };
const plan = oneOf('free', 'team', 'enterprise');
const role = oneOf('viewer', 'member', 'admin', 'owner');
const ratio = { numerator: count, denominator: count };
const spread = { count, mean: maybe(hours), median: maybe(hours), p90: maybe(hours), max: maybe(hours) };
const position = { seq: integer, hash_hex: text };

export const PERIOD = { start: moment, end: moment };
export const ORG = { id: uuid, slug: text, name: text, plan };
export const RANGE = { first_seq: maybe(integer), last_seq: maybe(integer), entries: count };
export const CHAIN = { chain: text, canonical_version: text, head_seq: integer, head_hash_hex: text };

export const PROVENANCE = {
  schema: text,
  product: { name: text, version: text, build: text, base_url: text, environment: text },
  org: { id: uuid, slug: text, name: text },
  plan: { plan, since: moment, window_days: maybe(count) },
  request: { export_id: uuid, requested_by: uuid, role, auth_method: text, request_id: maybe(text), requested_at: moment },
  period: PERIOD,
  period_bounds: text,
  snapshot: {
    id: text, taken_at: moment, wal_lsn: maybe(text), migration: text, server_version: text, installation: text, isolation: text,
  },
  attempt: count,
  build: { workflow: text, run_id: uuid, read_at: moment },
  sections: [{ entry: text, queries: [query], rows: maybe(count), bytes: count, sha256: text, min: maybe(text), max: maybe(text) }],
  control_totals: { findings: count, roll_forward: roll, ...scans, audit_entries: count },
  tie_out: {
    levels: Object.fromEntries(LEVELS.map((level) => [level, maybe(roll)])),
    checks: [{ name: text, reported: integer, counted: integer }],
  },
  sequence_gaps: { queries: [query], finding_numbers: run, audit_seq: run },
  exclusions: [{ what: text, why: text, count: maybe(count), listed_in: maybe(text) }],
  access: { may_request: [role], may_download: [role], logic: text },
  changes: { queries: [query], actions: [{ action: text, entries: count, first_seq: integer, last_seq: integer }] },
  signing_key: maybe({ kid: text, alg: text, public_key: text, pem: text }),
  time_stamp_authority: maybe(text),
};

export const ATTESTATION = {
  schema: text, chain: text, canonical_version: text, verified_at: moment, status: text, checked: count, head_seq: integer,
  head_hash_hex: text, genesis_hash_hex: text,
  period: { first_seq: maybe(integer), last_seq: maybe(integer) },
  requested: position,
  previous_attestations: [{ export_id: uuid, ...position }],
  verify_url: text,
  signature: maybe({ payload: text, payloadType: text, signatures: [{ keyid: text, sig: text }] }),
};

export const ENTRY = {
  action: text, actor: { id: text, type: text }, chain: text, created_at: text, detail: any, id: uuid, origin: text, outcome: text,
  prev_hash: maybe(hash), seq: integer,
};

export const SUMMARY = {
  org: ORG, period: PERIOD, generated_at: moment,
  headline: {
    findings_in_period: count, ...roll, ...scans, sources: count, longest_gap_hours: maybe(hours), hours_to_resolve: spread,
    within_sla: ratio, scope_coverage: ratio, cadence: ratio,
  },
  coverage: [{
    month: text, partial_month: flag, scope: ratio, scans_expected: maybe(count), ...scans, longest_gap_hours: maybe(hours), iac: ratio,
    drift: ratio,
  }],
  sla: [{
    risk_level: text, ...roll, hours_to_resolve: spread, oldest_open_hours: maybe(hours), mean_open_hours: maybe(hours),
    target_hours: count, within_sla: ratio, overdue_open: count,
  }],
  open_monthly: [{ month: text, partial_month: flag, levels: Object.fromEntries(LEVELS.map((level) => [level, maybe(roll)])) }],
  top_risks: [{
    number: integer, risk_level: oneOf(...LEVELS), drift_type: oneOf('missing', 'extra', 'changed'), address: text, resource_type: text,
    state_source: text, changed_attributes: [text], open_since: moment, open_hours: hours,
  }],
  gaps: [{ state_source: text, from: moment, to: moment, hours, expected_interval_hours: maybe(count) }],
  gaps_total: count,
  exceptions: {
    noise_resources: count, noise_attributes: count, ignored_by_custom_rules: count, accepted_risks: count, false_positives: count,
    disabled_rules: count, late_scans: count,
  },
  audit: RANGE,
};
