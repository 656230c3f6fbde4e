// DBOS for TypeScript: a queue polled every 10 ms for starts from another process, `startWorkflow` in the process itself, and a
// queue for throughput.
//
//     bench.mjs migrate|serve|enqueue URL | load URL STEPS RUNS | drain URL STEPS RUNS queue

import { setTimeout as sleep } from 'node:timers/promises';
import { DBOS, DBOSClient } from '@dbos-inc/dbos-sdk';
import pg from 'pg';
import { Drain, begin, enqueueAsOrdered, inFlight, loading, now, say } from '../protocol.mjs';

const LATENCY_POLL_MS = 10, DRAIN_POLL_MS = 50, NEVER_MS = 1_000_000;
const WORKER_CONCURRENCY = 100, LOADERS = 20, CONNECTIONS = 20;
const [command, url, ...rest] = process.argv.slice(2);
const [steps, runs] = rest.map(Number);
let drain;

const timed = DBOS.registerWorkflow(async (number) => {
  const at = now();
  say({ started: number, at });
  return number;
}, { name: 'timed' });
const one = DBOS.registerWorkflow(async (number) => {
  drain.begun();
  const value = await DBOS.runStep(async () => number, { name: 'noop' });
  drain.ended();
  return value;
}, { name: 'one' });
const ten = DBOS.registerWorkflow(async (number) => {
  drain.begun();
  for (let value = 0; value < 10; value++) await DBOS.runStep(async () => value, { name: 'noop' });
  drain.ended();
  return number;
}, { name: 'ten' });

async function launch() {
  DBOS.setConfig({
    name: 'bench', systemDatabaseUrl: url, logLevel: 'error', runAdminServer: false,
    systemDatabasePoolSize: CONNECTIONS, applicationVersion: 'v1', executorID: 'e1',
  });
  await DBOS.launch();
}

const commands = {
  migrate: launch,
  async serve() {
    await launch();
    await DBOS.registerQueue('q', { minPollingIntervalMs: LATENCY_POLL_MS });
    await sleep(2000); // its first poll comes after a second
    await enqueueAsOrdered((number) => DBOS.startWorkflow(timed)(number));
  },
  async enqueue() {
    const client = await DBOSClient.create({ systemDatabaseUrl: url });
    await enqueueAsOrdered((number) => client.enqueue({ workflowName: 'timed', queueName: 'q' }, number));
  },
  async load() {
    await launch();
    await DBOS.registerQueue('parked', { minPollingIntervalMs: NEVER_MS });
    const workflow = steps === 1 ? one : ten;
    await loading(runs, () => inFlight(LOADERS, runs, (number) => DBOS.startWorkflow(workflow, { queueName: 'parked' })(number)));
  },
  async drain() {
    await launch();
    const database = new pg.Client({ connectionString: url });
    await database.connect();
    await begin();
    drain = new Drain(runs);
    await DBOS.registerQueue('q', { minPollingIntervalMs: DRAIN_POLL_MS, workerConcurrency: WORKER_CONCURRENCY });
    await database.query("update dbos.workflow_status set queue_name = 'q' where queue_name = 'parked'");
    const unfinished = "select exists (select from dbos.workflow_status where status <> 'SUCCESS') as unfinished";
    await drain.report(async () => (await database.query(unfinished)).rows[0].unfinished);
  },
};
await commands[command]();
process.exit(0); // its timers run for ever
