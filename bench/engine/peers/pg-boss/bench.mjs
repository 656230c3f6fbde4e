// pg-boss: LISTEN/NOTIFY switched on for latency; for throughput large batches that are fetched again at once while full.
//
//     bench.mjs migrate|serve|enqueue URL | load URL 1 RUNS | drain URL 1 RUNS BATCHxWORKERS

import { setTimeout as sleep } from 'node:timers/promises';
import { PgBoss } from 'pg-boss';
import pg from 'pg';
import { Drain, begin, enqueueAsOrdered, loading, now, say } from '../protocol.mjs';

const PUSHED_AT_ONCE = 1000, CONNECTIONS = 20, POLL_SECONDS = 0.5; // the shortest that it allows
const [command, url, ...rest] = process.argv.slice(2);
const runs = Number(rest[1]);

async function boss(more = {}) {
  const started = new PgBoss({ connectionString: url, max: CONNECTIONS, ...more });
  started.on('error', (error) => console.error(error));
  await started.start();
  return started;
}

const sends = (queue) => enqueueAsOrdered((number) => queue.send('timed', { number }));

const commands = {
  async migrate() {
    const queue = await boss();
    await queue.createQueue('noop');
    await queue.createQueue('timed', { notify: true });
  },
  async serve() {
    const queue = await boss({ useListenNotify: true });
    await queue.work('timed', {}, async (jobs) => {
      const at = now();
      for (const job of jobs) say({ started: job.data.number, at });
    });
    await sleep(3000); // it listens a moment after it has begun
    await sends(queue);
  },
  async enqueue() {
    await sends(await boss({ useListenNotify: true, supervise: false, schedule: false }));
  },
  async load() {
    const queue = await boss();
    await loading(runs, async () => {
      for (let first = 0; first < runs; first += PUSHED_AT_ONCE) {
        const length = Math.min(PUSHED_AT_ONCE, runs - first);
        await queue.insert('noop', Array.from({ length }, () => ({ data: { number: 1 } })));
      }
    });
  },
  async drain() {
    const [batchSize, localConcurrency] = rest[2].split('x').map(Number);
    const queue = await boss();
    const database = new pg.Client({ connectionString: url });
    await database.connect();
    await begin();
    const drain = new Drain(runs);
    const options = { batchSize, localConcurrency, pollingIntervalSeconds: POLL_SECONDS, burstWhenBatchFull: true };
    await queue.work('noop', options, async (jobs) => { drain.begun(); drain.ended(jobs.length); });
    const unfinished = "select exists (select from pgboss.job where name = 'noop' and state <> 'completed') as unfinished";
    await drain.report(async () => (await database.query(unfinished)).rows[0].unfinished);
  },
};
await commands[command]();
process.exit(0); // its timers run for ever
