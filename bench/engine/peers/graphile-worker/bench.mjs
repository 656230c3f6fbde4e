// graphile-worker: woken by LISTEN/NOTIFY; for throughput the preset of the project's own performance test.
//
//     bench.mjs migrate|serve|enqueue URL | load URL 1 RUNS | drain URL 1 RUNS batched|single

import { setTimeout as sleep } from 'node:timers/promises';
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
import { Drain, begin, enqueueAsOrdered, loading, now, say } from '../protocol.mjs';

const PUSHED_AT_ONCE = 1000;
const PRESETS = {
  batched: {
    concurrentJobs: 24, maxPoolSize: 25, localQueue: { size: 500, refetchDelay: { durationMs: 10 } },
    completeJobBatchDelay: 0, failJobBatchDelay: 0,
  },
  single: { concurrentJobs: 10, maxPoolSize: 20 },
};
const [command, url, ...rest] = process.argv.slice(2);
const runs = Number(rest[1]), mode = rest[2];
const quiet = { logger: new Logger(() => () => {}), noHandleSignals: true };
const utils = () => makeWorkerUtils({ connectionString: url });

const timed = (payload) => {
  const at = now();
  say({ started: payload.number, at });
};

const commands = {
  async migrate() {
    await (await utils()).migrate();
  },
  async serve() {
    await run({ connectionString: url, taskList: { timed }, ...quiet });
    await sleep(1500); // it listens a moment after it has begun
    await commands.enqueue();
  },
  async enqueue() {
    const jobs = await utils();
    await enqueueAsOrdered((number) => jobs.addJob('timed', { number }));
  },
  async load() {
    const jobs = await utils();
    await loading(runs, async () => {
      for (let first = 0; first < runs; first += PUSHED_AT_ONCE) {
        const length = Math.min(PUSHED_AT_ONCE, runs - first);
        await jobs.addJobs(Array.from({ length }, () => ({ identifier: 'noop', payload: { number: 1 } })));
      }
    });
  },
  async drain() {
    const database = new pg.Client({ connectionString: url });
    await database.connect();
    await begin();
    const drain = new Drain(runs);
    const noop = () => { drain.begun(); drain.ended(); };
    await run({ preset: { worker: { connectionString: url, ...PRESETS[mode] } }, taskList: { noop }, ...quiet });
    const unfinished = 'select exists (select from graphile_worker._private_jobs) as unfinished';
    await drain.report(async () => (await database.query(unfinished)).rows[0].unfinished);
  },
};
await commands[command]();
process.exit(0); // its timers run for ever
