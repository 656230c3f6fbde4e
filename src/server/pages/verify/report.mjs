// What was found, check by check, and the answer that follows.

export const [OK, NOTE, INCOMPLETE, TRUNCATED, BROKEN] = ['ok', 'note', 'incomplete', 'truncated', 'broken'];

/** More checks of one name and status than this are counted, not listed. */
const LISTED_MAX = 20;

/** Something that is not as it must be, in plain words. */
export class Fault extends Error {}

export function need(holds, fault) {
  if (!holds) throw new Fault(fault);
}

/** Why something could not be read, without the words of the browser's own errors. */
export const told = (error) => (error instanceof Fault ? error.message : 'it is not readable');

export class Report {
  checks = [];
  facts = null;
  #found = new Set();

  put(name, status, detail) {
    this.#found.add(status);
    if (this.checks.filter((check) => check.name === name && check.status === status).length < LISTED_MAX) {
      this.checks.push({ name, status, detail: plain(detail) });
    }
  }

  require(holds, name, detail) {
    if (!holds) this.put(name, BROKEN, detail);
  }

  /** Passed, unless something was said about it before. */
  done(name, detail) {
    if (!this.checks.some((check) => check.name === name)) this.put(name, OK, detail);
  }

  get result() {
    return [BROKEN, TRUNCATED, INCOMPLETE].find((status) => this.#found.has(status)) ?? OK;
  }
}

/** Control characters and marks of direction become escapes, whatever the pack contains. */
function plain(text) {
  const hidden = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
  return text.replace(hidden, (character) => `\\u{${character.codePointAt(0).toString(16)}}`).slice(0, 600);
}
