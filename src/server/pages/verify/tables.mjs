// The CSV files and the sections of data.json: their columns, their cells, and what is counted again from their rows.

import { Sha256, utf8 } from './bytes.mjs';
import { Fault, need, told } from './report.mjs';
import { LEVELS, ROLL, count, integer, isInteger, moment } from './shape.mjs';

// A sign says what a column holds: # number, @ time, ? flag, * list.
const TABLES = {
  findings: `#number id state_source_id state_source address resource_type drift_type risk_level risk_level_now *changed_attributes
    @detected_at @last_clean_scan_at @last_seen_at #reopen_count status resolution @resolved_at resolved_by #time_to_resolve_hours
    ?opened_in_period ?resolved_in_period ?open_at_start ?open_at_end #opened_count #reopened_count #resolved_count #accepted_count
    #false_positive_count`,
  scans: `id state_source_id status tool tool_version @observed_at @ingested_at #resources_total #drifted #missing #extra
    #noise_suppressed #serial lineage triggered_by ci_repository ci_branch ci_commit ci_run_url ci_pull_request error ?late`,
  coverage_monthly: `month #sources_in_scope #sources_with_complete_scan #scope_coverage_pct #scans_expected #scans_done
    #scans_partial #scans_failed #longest_gap_hours #resources_checked #resources_managed #iac_coverage_pct #resources_compared
    #drifted #drift_pct ?partial_month`,
  remediation_sla: `risk_level #open_at_start #opened #reopened #resolved #accepted #false_positive #open_at_end
    #mean_hours_to_resolve #median_hours_to_resolve #p90_hours_to_resolve #max_hours_to_resolve #oldest_open_age_hours
    #mean_open_age_hours #sla_target_hours #within_sla #overdue_open`,
  custom_rules: `id name resource_pattern attribute_pattern drift_type risk_level reason ?enabled #version changed_by @changed_at`,
  state_sources: `id name kind location #expected_scan_interval_hours ?active #version changed_by @changed_at`,
  exceptions: `kind reference subject #count who @when why`,
  controls: `control_id framework title entry strength why`,
};

export const NAMES = Object.keys(TABLES);
const COLUMNS = Object.fromEntries(NAMES.map((name) => [name, TABLES[name].split(/\s+/).map((column) => {
  const kind = /^[#@?*]/.exec(column)?.[0] ?? '';
  return { name: column.slice(kind.length), kind };
})]));

const PLAIN = /[^",\r\n]*/y;
const ITEM_MAX = 32 * 2 ** 20;
const ROWS_MAX = 2400;
const FORMULA = /^'*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;
const ALL = 1n << 64n;

/** The value of a cell, in the form in which data.json is compared with it. */
function typed(kind, cell) {
  if (cell === '') return null;
  if (kind === '' || kind === '*') {
    const raw = cell.startsWith("'") && FORMULA.test(cell.slice(1)) ? cell.slice(1) : cell;
    need((FORMULA.test(raw) ? `'${raw}` : raw) === cell, 'is text that a spreadsheet would run as a formula');
    return raw;
  }
  if (kind === '#') {
    if (/^[+-]?[0-9]+$/.test(cell) && isInteger(BigInt(cell.replace(/^\+/, '')))) return BigInt(cell.replace(/^\+/, ''));
    need(/^-?([0-9]+\.?[0-9]*|\.[0-9]+)$/.test(cell) && cell.length < 400, 'is not a number');
    return Number(cell);
  }
  if (kind === '@') {
    need(/^.{19}\.\d{6}Z$/.test(cell), 'is not a UTC time with six digits');
    moment(cell);
    return cell;
  }
  need(cell === 'true' || cell === 'false', 'is neither true nor false');
  return cell === 'true';
}

/** Both readings of a row are written the same way before they are hashed. */
const line = (values) => utf8(values.map((value) => {
  const kind = value === null ? 'n' : typeof value === 'bigint' ? 'i' : typeof value === 'number' ? 'd' : typeof value === 'boolean' ? 'f' : 't';
  return `${kind}${String(value).length}:${value}`;
}).join(',') + '\n');

/** The row with quotes that begins at `at`, and where it ends; undefined when the text ends before it does. */
function quoted(text, at) {
  const cells = [];
  for (;;) {
    let cell = '';
    if (text[at] === '"') {
      let isNeeded = false;
      for (let from = at + 1; ;) {
        const quote = text.indexOf('"', from);
        if (quote < 0 || quote + 1 === text.length) return undefined;
        cell += text.slice(from, quote);
        at = quote + 1;
        if (text[at] !== '"') break;
        [cell, isNeeded, from] = [`${cell}"`, true, at + 1];
      }
      need(isNeeded || /[,\r\n]/.test(cell), 'it has quotes where none are needed');
    } else {
      PLAIN.lastIndex = at;
      [cell] = PLAIN.exec(text);
      at += cell.length;
    }
    cells.push(cell);
    const next = text[at];
    if (next === undefined) return undefined;
    need(next === ',' || next === '\n', 'it has other quotes or line ends than it is written with');
    at += 1;
    if (next === '\n') return [cells, at];
  }
}

/** Takes a CSV apart that is written in the one way: LF, and quotes only where they are needed. */
export class Csv {
  #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #digest = new Sha256();
  #rest = '';
  #number = 0;

  constructor(table, counted) {
    this.table = table;
    this.columns = COLUMNS[table];
    this.counted = counted;
  }

  push(bytes) {
    this.#text(this.#decoder.decode(bytes, { stream: true }));
  }

  /** Rows and the digest of their values. */
  end() {
    this.#text(this.#decoder.decode());
    need(this.#number > 0 && this.#rest === '', 'it is cut off, or does not end with a line feed');
    return { rows: this.#number - 1, digest: this.#digest.hex() };
  }

  #text(more) {
    const text = this.#rest + more;
    let at = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', at)) {
      const line = text.slice(at, end);
      const [cells, next] = /["\r]/.test(line) ? (quoted(text, at) ?? []) : [line.split(','), end + 1];
      if (cells === undefined) break;
      at = next;
      this.#row(cells);
    }
    this.#rest = text.slice(at);
    need(this.#rest.length <= ITEM_MAX, 'a row is larger than any');
  }

  #row(cells) {
    const number = this.#number;
    this.#number += 1;
    need(cells.length === this.columns.length, `row ${number} has ${cells.length} cells`);
    if (number === 0) {
      need(cells.every((cell, n) => cell === this.columns[n].name), 'its header is not the published one');
      return;
    }
    const row = {};
    this.columns.forEach(({ name, kind }, n) => {
      try {
        row[name] = typed(kind, cells[n]);
      } catch (error) {
        throw new Fault(`row ${number}: ${name} ${told(error)}`);
      }
    });
    this.#digest.update(line(Object.values(row)));
    this.counted.row(this.table, row);
  }
}

/** A row of data.json, in the form in which the CSV is compared with it. */
export function jsonRow(table, row) {
  const columns = COLUMNS[table];
  const isRow = row !== null && typeof row === 'object' && !Array.isArray(row);
  const keys = isRow ? Object.keys(row) : [];
  need(keys.length === columns.length && keys.every((key, n) => key === columns[n].name), `a row of ${table} has other members`);
  return line(columns.map(({ name, kind }) => jsonValue(kind, row[name], `${table}.${name}`)));
}

function jsonValue(kind, value, path) {
  if (value === null) return null;
  if (kind === '*') {
    need(Array.isArray(value) && value.every((part) => typeof part === 'string'), `${path} is no list of texts`);
    return value.join('; ') || null;
  }
  if (kind === '#') {
    need(typeof value === 'number' || typeof value === 'bigint', `${path} is no number`);
    if (typeof value === 'number' || isInteger(value)) return value;
    need(value < 0n || value >= ALL, `${path} is too large`);
    need(Number.isFinite(Number(value)), `${path} is too large`);
    return Number(value);
  }
  need(kind === '?' ? typeof value === 'boolean' : typeof value === 'string' && value !== '', `${path} holds another kind of value`);
  return value;
}

export const rowsDigest = () => new Sha256();

/** What is counted again from the rows. */
export class Counted {
  levels = Object.fromEntries(LEVELS.map((level) => [level, ROLL.map(() => 0n)]));
  reported = {};
  months = [];
  sla = [];
  scans = new Map();
  exceptions = new Map();
  active = 0n;
  #lastNumber = 0n;

  row(table, row) {
    this[`_${table}`]?.(row);
    need(this.months.length <= ROWS_MAX && this.sla.length <= ROWS_MAX, 'it has more rows than any pack');
  }

  total() {
    return ROLL.map((_, n) => count(LEVELS.reduce((sum, level) => sum + this.levels[level][n], 0n)));
  }

  _findings(row) {
    const number = integer(row.number);
    need(number > this.#lastNumber, `finding ${number} is a repetition or out of order`);
    this.#lastNumber = number;
    need(row.open_at_start !== null && row.open_at_end !== null, 'a flag is missing');
    const middle = ROLL.slice(1, 6).map((name) => count(row[`${name}_count`]));
    const roll = [BigInt(row.open_at_start), ...middle, BigInt(row.open_at_end)];
    need(LEVELS.includes(row.risk_level), 'its risk_level is unknown');
    need(ties(roll) && roll[1] <= 1n, `finding ${number} does not tie`);
    this.levels[row.risk_level] = this.levels[row.risk_level].map((sum, n) => count(sum + roll[n]));
    this.total();
  }

  _remediation_sla(row) {
    const roll = ROLL.map((name) => count(row[name]));
    need(LEVELS.includes(row.risk_level) && !(row.risk_level in this.reported), 'a risk level is unknown, or there twice');
    need(ties(roll), `the roll-forward of ${row.risk_level} does not add up`);
    this.reported[row.risk_level] = roll;
    this.sla.push(row);
  }

  _scans(row) {
    need(row.observed_at && ['done', 'partial', 'failed'].includes(row.status), 'it has no time or status');
    const month = row.observed_at.slice(0, 7);
    const ends = this.scans.get(month) ?? { done: 0n, partial: 0n, failed: 0n };
    ends[row.status] += 1n;
    this.scans.set(month, ends);
  }

  _coverage_monthly(row) {
    this.months.push(row);
  }

  _exceptions(row) {
    const more = count(row.count);
    const isByResource = row.kind === 'noise_rule' || row.kind === 'ignored_by_custom_rule';
    this.exceptions.set(row.kind, (this.exceptions.get(row.kind) ?? 0n) + (isByResource ? more : 1n));
  }

  _state_sources(row) {
    need(row.active !== null, 'active is neither true nor false');
    this.active += BigInt(row.active);
  }
}

function ties([start, opened, reopened, resolved, accepted, falsePositive, end]) {
  return start + opened + reopened === resolved + accepted + falsePositive + end;
}
