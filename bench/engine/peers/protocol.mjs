// What every measured Node program speaks: orders are lines on standard input, figures one JSON object per line on standard
// output, times nanoseconds of the clock that all processes of a machine share. Not here: what a program measures.

import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

export const now = () => Number(process.hrtime.bigint());
export const say = (figures) => writeSync(1, `${JSON.stringify(figures)}\n`);
const secondsSince = (from) => (now() - from) / 1e9;

/** The numbers of the runs to enqueue, until standard input ends. */
export async function* orders() {
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) yield Number(line);
}

/** Enqueues what is ordered, one at a time. */
export async function enqueueAsOrdered(enqueue) {
  for await (const number of orders()) {
    const from = now();
    await enqueue(number);
    say({ enqueued: number, from });
  }
}

/** Waits for the order to begin, given when the machine is quiet and the counters are read. */
export async function begin() {
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === 'go') return;
    break;
  }
  throw new Error('the order to begin');
}

/** Says how long it took to load. */
export async function loading(runs, load) {
  const from = now();
  await load();
  say({ loaded: runs, seconds: secondsSince(from) });
}

/** Counts the runs of a drain; the time begins with the first line of the first of them. */
export class Drain {
  constructor(runs) {
    this.runs = runs;
    this.left = runs;
    this.ordered = now();
    this.first = null;
    this.last = new Promise((resolve) => { this.resolve = resolve; });
  }

  begun() { this.first ??= now(); }

  ended(runs = 1) {
    this.left -= runs;
    if (this.left <= 0) this.resolve();
  }

  /** Waits for the last run, then for the database to show that none is unfinished. */
  async report(isUnfinished) {
    await this.last;
    while (await isUnfinished()) await sleep(5);
    say({ drained: this.runs, seconds: secondsSince(this.first), seconds_from_order: secondsSince(this.ordered) });
  }
}

/** Runs `count` calls, so many at a time. */
export async function inFlight(width, count, call) {
  let next = 0;
  await Promise.all(Array.from({ length: width }, async () => { while (next < count) await call(next++); }));
}
