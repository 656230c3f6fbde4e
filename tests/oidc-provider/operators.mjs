// An operator's day, and who is kept out: `node operators.mjs BASE_URL CHROMIUM FOLDER JOB`, JOB being JSON from the test. Prints what it
// saw as JSON; what must hold is asserted by the test. Pictures of each state go to FOLDER.
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open } from './people.mjs';

const [base, executablePath, folder, text] = process.argv.slice(2);
const job = JSON.parse(text);
const { saw, someone, pictured, everywhere, tell } = await open(base, executablePath, folder);

const runPage = (id) => `${base}/ops/runs/${id}`;
const stand = (page) => page.locator('section[aria-label="The run"] .badge').first();

/// Waits, without loading the page again, until the run is in this state.
async function until(page, state) {
  await page.locator('section[aria-label="The run"] .badge', { hasText: new RegExp(`^${state}$`) }).first().waitFor({ timeout: 60_000 });
}

/// What the page says once a form was sent.
async function sent(page, button) {
  const loaded = page.waitForEvent('load');
  await button.click();
  await loaded;
  return page.locator('main .banner').first().innerText();
}

/// Opens what is behind a button, reads what will happen, and means it; what the page says then.
async function confirmed(page, button, deed, fill = async () => {}) {
  const ask = page.locator('details.ask', { has: page.locator(`summary:text-is("${button}")`) }).first();
  await ask.locator('summary').click();
  const told = await ask.locator('p').first().innerText();
  await fill(ask);
  return { told, answer: await sent(page, ask.locator(`button:has-text("${deed}")`)) };
}

/// The storage is away while `act` goes on, as an unmounted disk is.
async function withoutStorage(act) {
  const aside = `${job.storage}.aside`;
  renameSync(job.storage, aside);
  writeFileSync(job.storage, 'no folder');
  try {
    await act();
  } finally {
    rmSync(job.storage);
    renameSync(aside, job.storage);
  }
}

async function retries(operator) {
  const [chosen] = job.failed;
  await operator.goto(runPage(chosen));
  await everywhere(operator, 'run-failed');
  const row = operator.locator('tr', { has: operator.locator('td .mono:text-is("collect")') }).first();
  await row.locator('summary:has-text("Retry from here")').click();
  saw.retry = { told: await row.locator('details.ask p').first().innerText() };
  await pictured(operator, 'run-failed-asked');
  saw.retry.answer = await sent(operator, row.locator('button:has-text("Retry from step")'));
  await until(operator, 'succeeded');
  saw.retry.ended = await stand(operator).innerText();
  await pictured(operator, 'run-retried');
}

async function redrives(operator) {
  await operator.goto(`${base}/ops/failures`);
  await operator.fill('#workflow', 'compliance_pack.build');
  await operator.click('button:has-text("Count them first")');
  saw.redrive = { asked: await operator.locator('#trial').innerText() };
  await pictured(operator, 'failures-asked');
  saw.redrive.answer = await sent(operator, operator.locator('section[aria-labelledby=trial] button.primary'));
  for (const id of job.failed.slice(1)) {
    await operator.goto(runPage(id));
    await until(operator, 'succeeded');
  }
}

async function stops(operator, owner) {
  await withoutStorage(async () => {
    const runs = [];
    for (let nth = 0; nth < 2; nth += 1) {
      await owner.goto(`${base}/orgs/acme/compliance`);
      await owner.click('a:has-text("Last month")');
      await owner.waitForURL(/start=/);
      await owner.click('button:has-text("Generate pack")');
      await owner.waitForURL(/done=requested/);
      const answer = await owner.context().request.get(`${base}/api/v2/orgs/${job.org}/audit-exports?limit=1`);
      runs.push((await answer.json()).audit_exports[0].workflow_run_id);
    }
    const [kept, dropped] = runs;
    await operator.goto(runPage(kept));
    await operator.locator('td .badge', { hasText: 'retrying' }).first().waitFor();
    saw.pause = await confirmed(operator, 'Pause…', 'Pause this run');
    await until(operator, 'paused');
    await everywhere(operator, 'run-paused');
    await operator.goto(runPage(dropped));
    saw.cancel = await confirmed(operator, 'Cancel…', 'Cancel this run');
    await until(operator, 'cancelled');
    await operator.goto(runPage(kept));
  });
  saw.resume = await confirmed(operator, 'Resume…', 'Resume this run');
  await until(operator, 'succeeded');
  await owner.goto(`${base}/orgs/acme/compliance`);
  saw.packs = await owner.locator('#packs tbody tr td:nth-child(2) .badge').allInnerTexts();
  await pictured(owner, 'compliance-after-cancel');
}

async function signals(operator) {
  await operator.goto(runPage(job.waiting));
  await everywhere(operator, 'run-waiting-for-signal');
  const fill = (payload) => (ask) => ask.locator('textarea').fill(payload);
  saw.signal_wrong = await confirmed(operator, 'Send a signal…', 'Send this signal', fill('{"by": '));
  await operator.goto(runPage(job.waiting));
  saw.signal = await confirmed(operator, 'Send a signal…', 'Send this signal', fill('{"by": 1}'));
  saw.signal.listed = await operator.locator('section[aria-labelledby=signals] tbody').innerText();
  await until(operator, 'queued');
}

async function schedules(operator) {
  const card = () => operator.locator('section', { has: operator.locator('h2:text-is("retention.daily")') });
  await operator.goto(`${base}/ops/schedules`);
  await card().locator('summary:has-text("Run now")').click();
  saw.run_now = { told: await card().locator('details[open] p').innerText() };
  saw.run_now.answer = await sent(operator, card().locator('button:has-text("Start one run")'));
  const ended = (count) => operator.waitForFunction((wanted) => document.querySelectorAll('main tbody .badge.good').length >= wanted, count, { timeout: 60_000 });
  await operator.goto(`${base}/ops/runs?workflow=retention.expire`);
  await ended(1);

  await operator.goto(`${base}/ops/schedules`);
  await card().locator('summary:has-text("Backfill")').click();
  const at = (days) => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 16);
  await card().locator('input[name=from]').fill(at(3));
  await card().locator('input[name=to]').fill(at(0));
  await card().locator('button:has-text("Count the ticks")').click();
  saw.backfill = { asked: await operator.locator('section[aria-labelledby=backfill]').innerText() };
  await pictured(operator, 'schedules-backfill');
  saw.backfill.answer = await sent(operator, operator.locator('section[aria-labelledby=backfill] button.primary'));
  await operator.goto(`${base}/ops/runs?workflow=retention.expire`);
  await ended(4);
}

async function downloads(owner) {
  await owner.goto(`${base}/orgs/acme/compliance`);
  const row = owner.locator('#packs tbody tr', { has: owner.locator('a:has-text("Download")') }).first();
  const shown = await row.locator('[data-copy]').getAttribute('data-copy');
  const href = await row.locator('a:has-text("Download")').getAttribute('href');
  // As a careful person would, with what the browser itself has.
  const inBrowser = await owner.evaluate(async (address) => {
    const bytes = await (await fetch(address)).arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
    return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  }, href);
  const [download] = await Promise.all([owner.waitForEvent('download'), row.locator('a:has-text("Download")').click()]);
  const pack = join(folder, 'operators-pack.zip');
  await download.saveAs(pack);
  const whole = readFileSync(pack);
  saw.download = { shown, inBrowser, saved: createHash('sha256').update(whole).digest('hex'), name: download.suggestedFilename(), pack };

  const damaged = join(folder, 'operators-pack-damaged.zip');
  const bytes = Buffer.from(whole);
  bytes[Math.floor(bytes.length / 2)] ^= 1;
  writeFileSync(damaged, bytes);
  saw.verify = {};
  for (const [name, file] of Object.entries({ good: pack, damaged })) {
    await owner.goto(`${base}/verify`);
    await owner.waitForSelector('html[data-ready=true]');
    await owner.setInputFiles('#pack', file);
    await owner.waitForSelector('#answer:not([hidden])', { timeout: 60_000 });
    saw.verify[name] = await owner.textContent('#result');
    await everywhere(owner, `verify-${name}`);
  }
}

/// The status of each request of somebody's session. A form's fields are what the page itself would send.
async function walls(page, asks) {
  const { request } = page.context();
  const leave = await (await request.get(`${base}/logout`)).text();
  const token = leave.match(/name="csrf_token" value="([^"]+)"/)[1];
  const answers = {};
  for (const [name, { path, form, csrf = token }] of Object.entries(asks)) {
    const options = { maxRedirects: 0, headers: { Origin: base } };
    const answer = form
      ? await request.post(`${base}${path}`, { ...options, form: { ...form, csrf_token: csrf } })
      : await request.get(`${base}${path}`, options);
    answers[name] = answer.status();
  }
  return answers;
}

async function strangers(owner) {
  const pack = { start: '2026-01-01', end: '2026-01-31', request_key: 'forged' };
  const row = await owner.context().request.get(`${base}/api/v2/orgs/${job.org}/audit-exports?limit=1&status=done`);
  const id = (await row.json()).audit_exports[0].id;
  const asks = {
    generate: { path: '/orgs/acme/compliance', form: pack },
    untokened: { path: '/orgs/acme/compliance', form: pack, csrf: 'x' },
    delete: { path: `/orgs/acme/compliance/${id}/delete`, form: { request_key: 'forged' } },
    download: { path: `/api/v2/orgs/${job.org}/audit-exports/${id}/download` },
    runs: { path: '/ops/runs' },
    run: { path: `/ops/runs/${job.waiting}` },
    cancel: { path: `/ops/runs/${job.waiting}/cancel`, form: { request_key: 'forged' } },
    redrive: { path: '/ops/failures/redrive', form: { request_key: 'forged', workflow: 'compliance_pack.build' } },
    run_now: { path: '/ops/schedules/retention.daily/run', form: { request_key: 'forged' } },
    other: { path: '/orgs/globex/compliance' },
    other_generate: { path: '/orgs/globex/compliance', form: pack },
    none: { path: '/orgs/no-such-org/compliance' },
  };
  saw.walls = {};
  for (const who of ['viewer', 'member']) {
    const page = await someone(`${who}@acme.example`, { refused: true });
    saw.walls[who] = await walls(page, asks);
    await page.goto(`${base}/orgs/acme/compliance`);
    saw[who] = {
      rows: await page.locator('#packs tbody tr').count(),
      generate: await page.locator('button:has-text("Generate pack")').isDisabled(),
      why: await page.locator('#barred').innerText(),
      download: await page.locator('#packs button:has-text("Download")').first().isDisabled(),
      why_no_download: await page.locator('#barred-packs').innerText(),
    };
    await pictured(page, `compliance-${who}`);
    await page.goto(`${base}/orgs/globex`);
    saw[who].elsewhere = await page.innerText('main');
    await page.goto(`${base}/ops/runs`);
    saw[who].operators = await page.innerText('main');
    await pictured(page, `kept-out-${who}`);
    await page.context().close();
  }
  const free = await someone('owner@startup.example', { refused: true });
  saw.walls.free = await walls(free, { generate: { path: '/orgs/startup/compliance', form: pack } });
  await free.goto(`${base}/orgs/startup/compliance`);
  saw.free = { said: await free.innerText('main'), generate: await free.locator('button:has-text("Generate")').count() };
  await everywhere(free, 'compliance-free');
}

await tell(async () => {
  const operator = await someone('ops@platform.example');
  const owner = await someone('owner@acme.example');
  await signals(operator);
  await retries(operator);
  await redrives(operator);
  await stops(operator, owner);
  await schedules(operator);
  await downloads(owner);
  await strangers(owner);
});
