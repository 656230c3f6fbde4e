// The figures: data.json against the CSV files, its summary against the rows, and provenance.json against everything.

import { sha256, utf8 } from './bytes.mjs';
import { Stream } from './json.mjs';
import { INCOMPLETE, need } from './report.mjs';
import { CHAIN, LEVELS, ORG, PERIOD, RANGE, ROLL, SUMMARY, known, moment, seconds, shaped } from './shape.mjs';
import { NAMES, jsonRow, rowsDigest } from './tables.mjs';

const MEMBERS = ['schema', 'generated_at', 'org', 'period', 'summary', ...NAMES, 'audit_log', 'chain'];
const ENDS = ['done', 'partial', 'failed'];
const KINDS = {
  noise_rule: 'noise_resources', ignored_by_custom_rule: 'ignored_by_custom_rules', accepted_risk: 'accepted_risks',
  false_positive: 'false_positives', disabled_rule: 'disabled_rules', late_scan: 'late_scans',
};
/** What is made after provenance.json, over it. */
const LATER = ['provenance.json', 'index.html', 'chain-attestation.json', 'MANIFEST.txt', 'MANIFEST.txt.tsr'];
/** Two readings of the same hours differ by rounding to two digits. */
const HOURS_APART_MAX = 0.005001;

/** data.json: its members in their order, and of each section the number of rows and the digest of their values. */
export async function readData(chunks) {
  const stream = new Stream(chunks);
  const data = {};
  for (const member of MEMBERS) {
    await stream.name(member, member === 'schema');
    data[member] = NAMES.includes(member) ? await section(stream, member) : await stream.value();
    need(member !== 'schema' || data.schema === 'driftpack.data/v1', 'its schema is not one this page knows');
  }
  await stream.take('}');
  need((await stream.peek()) === '', 'there is something behind its end');
  moment(data.generated_at);
  shaped(data.org, ORG, 'org');
  shaped(data.period, PERIOD, 'period');
  shaped(data.audit_log, RANGE, 'audit_log');
  shaped(data.chain, CHAIN, 'chain');
  data.summary = shaped(known(data.summary, SUMMARY), SUMMARY, 'summary');
  return data;
}

async function section(stream, table) {
  const digest = rowsDigest();
  let rows = 0;
  await stream.take('[');
  while ((await stream.peek()) !== ']') {
    if (rows > 0) await stream.take(',');
    digest.update(jsonRow(table, await stream.value()));
    rows += 1;
  }
  await stream.take(']');
  return { rows, digest: digest.hex() };
}

export function checkFigures(pack, report) {
  if (pack.tables.size === NAMES.length) {
    const rows = [...pack.tables.values()].reduce((sum, table) => sum + table.rows, 0);
    report.done('tables', `${rows} rows, every header and cell of the published form`);
  }
  if (pack.data) checkData(pack, report);
  else report.put('data', INCOMPLETE, 'data.json cannot be compared: it is not there, or not readable');
  if (pack.provenance) checkProvenance(pack, pack.provenance, report);
  else report.put('provenance', INCOMPLETE, 'provenance.json is not there, or not readable');
  checkRollForward(pack, report);
}

const bounds = (period) => [moment(period.start), moment(period.end)];
const key = (value) => JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? `${inner}n` : inner));
const equal = (left, right) => key(left) === key(right);
const org = ({ id, slug, name, plan }) => [id, slug, name, plan];
const range = ({ first_seq, last_seq, entries }) => [first_seq ?? null, last_seq ?? null, entries];
const roll = (of) => ROLL.map((name) => of[name]);

function checkData(pack, report) {
  const { data, counted } = pack;
  const { summary } = data;
  for (const table of NAMES) {
    const csv = pack.tables.get(`${table}.csv`);
    report.require(!csv || equal(csv, data[table]), 'data', `data.json and ${table}.csv differ in the values of a row`);
  }
  const facts = (of, audit) => [org(of.org), moment(of.generated_at), bounds(of.period), range(audit)];
  const isSame = equal(facts(summary, summary.audit), facts(data, data.audit_log));
  report.require(isSame, 'data', 'the summary in data.json is of another organisation, period or time');

  const follows = (table, holds, what) =>
    report.require(!pack.tables.has(`${table}.csv`) || holds, 'data', `the summary reports ${what} than ${table}.csv`);
  const { headline } = summary;
  follows('findings', BigInt(pack.tables.get('findings.csv')?.rows ?? 0) === headline.findings_in_period, 'another number of findings');
  follows('findings', headline.hours_to_resolve.count === counted.total()[3], 'another number of times to resolve');
  const months = [...counted.scans.values()];
  const sum = (end) => months.reduce((total, month) => total + month[end], 0n);
  follows('scans', ENDS.every((end) => headline[`scans_${end}`] === sum(end)), 'other scans');
  follows('scans', areScansOfMonths(summary, counted), 'other scans per month');
  follows('coverage_monthly', areRows(counted.months, summary.coverage.map(monthRow)), 'another coverage');
  follows('remediation_sla', areRows(counted.sla, summary.sla.map(levelRow)), 'other times or targets');
  follows('remediation_sla', doesCourseTie(summary), 'another course of the open findings');
  const aside = Object.entries(KINDS).every(([kind, name]) => (counted.exceptions.get(kind) ?? 0n) === summary.exceptions[name]);
  follows('exceptions', aside, 'other exceptions');
  follows('state_sources', headline.sources === counted.active, 'another number of active states');
  report.done('data', 'data.json says the same as the CSV files, row by row, and its summary follows from them');
}

function areScansOfMonths(summary, counted) {
  const left = new Map(counted.scans);
  const each = summary.coverage.every((month) => {
    const found = left.get(month.month) ?? { done: 0n, partial: 0n, failed: 0n };
    left.delete(month.month);
    return ENDS.every((end) => found[end] === month[`scans_${end}`]);
  });
  return each && left.size === 0;
}

/** The months that the period touches, and whether it covers only a part of each. */
function calendar(period) {
  const [start, end] = bounds(period);
  const months = [];
  let [year, month] = [Number(start.slice(0, 4)), Number(start.slice(5, 7))];
  const first = () => `${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}-01T00:00:00.000000000`;
  while (year <= 9999 && first() < end) {
    const begins = first();
    [year, month] = month === 12 ? [year + 1, 1] : [year, month + 1];
    months.push([begins.slice(0, 7), begins < start || year > 9999 || first() > end]);
  }
  return months;
}

/** Month by month each level opens with what it closed with, and all months together are its roll-forward. */
function doesCourseTie({ open_monthly: months, period, sla }) {
  if (!equal(months.map((month) => [month.month, month.partial_month]), calendar(period))) return false;
  return sla.every((level) => {
    const course = months.map((month) => month.levels[level.risk_level]);
    if (course.length === 0 || !course.every(Boolean)) return false;
    const doFollow = course.every((of, n) => n === 0 || course[n - 1].open_at_end === of.open_at_start);
    const doTie = course.every((of) => of.open_at_start + of.opened + of.reopened === of.resolved + of.accepted + of.false_positive + of.open_at_end);
    const sums = ROLL.slice(1, 6).map((name) => course.reduce((sum, of) => sum + of[name], 0n));
    return doFollow && doTie && equal([course[0].open_at_start, ...sums, course.at(-1).open_at_end], roll(level));
  });
}

/** One decimal; 100 only for the whole, 0 only for nothing, absent when there is nothing to divide by. */
function percent({ numerator, denominator }) {
  if (denominator === 0n) return null;
  let tenths = (numerator * 1000n + denominator / 2n) / denominator;
  if (numerator < denominator && tenths > 999n) tenths = 999n;
  if (numerator > 0n && tenths < 1n) tenths = 1n;
  return Number(tenths) / 10;
}

const number = (value) => (value === null || value === undefined ? null : Number(value));

const monthRow = (m) => [
  m.month, m.scope.denominator, m.scope.numerator, percent(m.scope), m.scans_expected ?? null, m.scans_done, m.scans_partial,
  m.scans_failed, number(m.longest_gap_hours), m.iac.denominator, m.iac.numerator, percent(m.iac), m.drift.denominator,
  m.drift.numerator, percent(m.drift), m.partial_month,
];

const levelRow = (s) => [
  s.risk_level, ...roll(s), ...['mean', 'median', 'p90', 'max'].map((name) => number(s.hours_to_resolve[name])),
  number(s.oldest_open_hours), number(s.mean_open_hours), s.target_hours, s.within_sla.numerator, s.overdue_open,
];

function areRows(rows, expected) {
  return rows.length === expected.length && rows.every((row, n) => Object.values(row).every((cell, at) => isAlike(cell, expected[n][at])));
}

function isAlike(cell, value) {
  const isNumber = typeof cell === 'number' || typeof cell === 'bigint';
  return cell === value || (typeof value === 'number' && isNumber && Math.abs(Number(cell) - value) <= HOURS_APART_MAX);
}

const areHashed = (queries) => queries.every((query) => query.sql_sha256 === sha256(utf8(query.sql)));

function checkProvenance(pack, told, report) {
  const must = (holds, detail) => report.require(holds, 'provenance', detail);
  if (told.schema !== 'driftpack.provenance/v1') {
    report.put('provenance', INCOMPLETE, 'provenance.json has a schema this page does not know');
  }
  const [start, end] = bounds(told.period);
  must(start < end, 'its period ends before it starts');
  const dated = Math.min(Math.max(seconds(told.period.end), 315532800), 4354819198);
  report.require(pack.at === dated, 'archive', 'the files in the ZIP are not dated at the end of the period');
  checkSections(pack, told.sections, must);
  for (const tie of told.tie_out.checks) must(tie.reported === tie.counted, `the builder's own check «${tie.name}» does not tie`);
  must(areHashed(told.sequence_gaps.queries), 'a query of the sequences does not have its SHA-256');
  if (pack.data) {
    const { data } = pack;
    const { headline, audit } = data.summary;
    const isSame = equal([data.org.id, data.org.slug, bounds(data.period)], [told.org.id, told.org.slug, [start, end]]);
    must(isSame, 'provenance.json and data.json are of different packs');
    const totals = told.control_totals;
    const scans = (of) => ENDS.map((name) => of[`scans_${name}`]);
    const expected = [headline.findings_in_period, roll(headline), scans(headline), audit.entries];
    must(equal([totals.findings, roll(totals.roll_forward), scans(totals), totals.audit_entries], expected), 'the control totals are not those of data.json');
  }
  report.done('provenance', 'rows, bytes and SHA-256 of every entry are as provenance.json says');
}

/** Every entry is described once, and nothing else is. */
function checkSections(pack, told, must) {
  const sections = new Map(told.map((section) => [section.entry, section]));
  must(sections.size === told.length, 'an entry is described twice');
  const due = [...pack.files.keys()].filter((name) => !LATER.includes(name));
  for (const name of sections.keys()) must(pack.files.has(name), `provenance.json describes ${name}, which cannot be read in the pack`);
  for (const name of due) {
    const [section, file] = [sections.get(name), pack.files.get(name)];
    must(section, `nothing is said about ${name}`);
    if (!section) continue;
    must(section.sha256 === file.sha256 && section.bytes === BigInt(file.size), `${name} has other bytes than provenance.json says`);
    const rows = pack.tables.get(name)?.rows ?? (name === 'audit_events.ndjson' ? file.lines : undefined);
    must(rows === undefined || section.rows === BigInt(rows), `${name} has other rows than provenance.json says`);
    must(areHashed(section.queries), `a query of ${name} does not have its SHA-256`);
  }
}

/** Three counts of the same: findings.csv, remediation_sla.csv, the summary. */
function checkRollForward(pack, report) {
  const { counted } = pack;
  const name = 'roll_forward';
  if (!pack.tables.has('findings.csv') || !pack.tables.has('remediation_sla.csv')) {
    report.put(name, INCOMPLETE, 'it cannot be recounted without both readable tables');
    return;
  }
  const by = (of) => LEVELS.map((level) => of(level) ?? null);
  const reported = by((level) => counted.reported[level]);
  report.require(equal(reported, by((level) => counted.levels[level])), name, 'remediation_sla.csv is not what the findings add up to');
  if (pack.data) {
    const { headline, sla } = pack.data.summary;
    report.require(equal(roll(headline), counted.total()), name, 'the summary reports another roll-forward than the rows give');
    const levels = new Map(sla.map((level) => [level.risk_level, roll(level)]));
    report.require(levels.size === LEVELS.length && equal(by((level) => levels.get(level)), reported), name, 'summary and remediation_sla.csv differ');
  }
  if (pack.provenance) {
    const { levels } = pack.provenance.tie_out;
    report.require(equal(by((level) => levels[level] && roll(levels[level])), reported), name, 'provenance.json and remediation_sla.csv differ');
  }
  const [start, opened, reopened, resolved, accepted, falsePositive, end] = counted.total();
  const sum = `${start} open at the start + ${opened} opened + ${reopened} reopened - ${resolved} resolved - ${accepted} accepted`;
  report.done(name, `recounted from the findings: ${sum} - ${falsePositive} false positives = ${end} open at the end`);
}

