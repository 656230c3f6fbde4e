// People at the pages, with a real browser: `node screens.mjs BASE_URL CHROMIUM FOLDER PLAN`. Prints what it saw as JSON; what must
// hold is asserted by the test. Pictures of every page go to FOLDER.
import { createRequire } from 'node:module';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [base, executablePath, folder, plan] = process.argv.slice(2);
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const args = process.getuid() === 0 ? ['--no-sandbox'] : [];
const browser = await chromium.launch({ executablePath, args });
mkdirSync(folder, { recursive: true });

const PAGES = [
  '', '/compliance', '/findings', '/findings/1', '/scans', '/audit-log', '/settings/members', '/settings/api-keys',
  '/settings/state-sources', '/settings/custom-rules', '/settings/plan',
];
const WIDTHS = { wide: 1280, phone: 360 };
const saw = { faults: [], elsewhere: [], axe: [], wider: [], focus: {} };

async function someone(email, options = {}) {
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on('pageerror', (error) => saw.faults.push(String(error)));
  page.on('console', (said) => said.type() === 'error' && said.location().url.startsWith(base) && saw.faults.push(said.text()));
  page.on('request', (request) => request.url().startsWith('http') && !request.url().startsWith('http://127.0.0.1:') && saw.elsewhere.push(request.url()));
  await page.goto(`${base}/`);
  await page.click('a:has-text("Sign in")');
  await page.fill('input[name=email]', email);
  await page.click('button');
  await page.waitForURL((url) => url.href.startsWith(base));
  return page;
}

async function checked(page, name) {
  // The policy allows no scripts but the service's own; the driver may.
  await page.evaluate((await import('node:fs')).readFileSync(axe, 'utf8'));
  const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
  for (const { id, impact, nodes } of violations) {
    if (impact === 'serious' || impact === 'critical') saw.axe.push(`${name}: ${id}: ${nodes[0].html.slice(0, 160)}`);
  }
  if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) saw.wider.push(name);
  if ((await page.innerText('body')).includes('<span')) saw.faults.push(`${name} shows markup as text`);
}

try {
  // From nothing to the first pack.
  const owner = await someone('owner@acme.example');
  saw.home = new URL(owner.url()).pathname;
  saw.guide = await owner.locator('ol.guide li.now h3').innerText();
  await owner.goto(`${base}/orgs/acme/scans`);
  await owner.fill('input[name=state_source]', 'prod');
  await owner.setInputFiles('input[type=file]', plan);
  await owner.click('button:has-text("Hand in")');
  await owner.waitForSelector('.banner.good');
  saw.taken_in = await owner.locator('.banner.good').innerText();

  await owner.goto(`${base}/orgs/acme/compliance`);
  const beside = await owner.context().newPage();
  await beside.goto(`${base}/orgs/acme/compliance`);
  await owner.click('a:has-text("Last month")');
  await owner.waitForURL(/start=/);
  await owner.click('button:has-text("Generate pack")');
  await owner.waitForSelector('#packs .badge');
  saw.steps = [];
  const words = () => owner.locator('#packs tbody tr:first-child .badge').first().innerText();
  for (let word = await words(); word !== 'done' && word !== 'failed'; word = await words()) {
    if (saw.steps.at(-1) !== word) saw.steps.push(word);
    await owner.waitForTimeout(50);
  }
  saw.steps.push(await words());
  await beside.waitForSelector('#packs .badge.good');
  saw.beside = await beside.locator('#packs tbody tr:first-child .badge').first().innerText();
  const [download] = await Promise.all([owner.waitForEvent('download'), owner.click('a:has-text("Download")')]);
  saw.pack = join(folder, 'pack.zip');
  await download.saveAs(saw.pack);

  // A decision, with the keyboard alone.
  await owner.goto(`${base}/orgs/acme/findings`);
  await owner.keyboard.press('j');
  await owner.keyboard.press('Enter');
  await owner.waitForURL(/findings\/1$/);
  await owner.focus('input[value=accepted_risk]');
  await owner.keyboard.press('Space');
  await owner.keyboard.press('Tab');
  await owner.keyboard.type('The team knows.');
  await owner.keyboard.press('Tab');
  await owner.keyboard.press('Enter');
  await owner.waitForSelector('.banner.good');
  saw.decided = await owner.locator('main .badge').first().innerText();
  await owner.click('nav a:has-text("Audit log")');
  await owner.click('button:has-text("Verify now")');
  saw.chain = await owner.locator('.banner').first().innerText();
  await owner.goto(`${base}/orgs/acme`);
  await owner.keyboard.press('Tab');
  saw.focus.first = await owner.evaluate(() => document.activeElement.textContent);

  // Without scripts.
  const plain = await someone('admin@acme.example', { javaScriptEnabled: false });
  await plain.goto(`${base}/orgs/acme/compliance`);
  await plain.click('a:has-text("Last month")');
  await plain.waitForURL(/start=/);
  await plain.click('button:has-text("Generate pack")');
  saw.plain = await plain.locator('#packs tbody tr').count();
  await plain.click('#packs tbody tr:last-child summary:has-text("Delete")');
  await plain.click('#packs tbody tr:last-child button:has-text("Delete this pack")');
  saw.plain_deleted = await plain.locator('#packs tbody tr:last-child .badge').first().innerText();

  // Who may only look.
  const viewer = await someone('viewer@acme.example');
  await viewer.goto(`${base}/orgs/acme/compliance`);
  saw.viewer = { generate: await viewer.locator('button:has-text("Generate pack")').isDisabled(), why: await viewer.locator('#barred').innerText() };

  // Every page, light and dark, wide and on a phone.
  for (const colorScheme of ['light', 'dark']) {
    for (const [width_name, width] of Object.entries(WIDTHS)) {
      const page = await someone('owner@acme.example', { colorScheme, viewport: { width, height: 900 } });
      for (const path of PAGES) {
        await page.goto(`${base}/orgs/acme${path}`);
        const name = `${path.slice(1).replaceAll('/', '-') || 'overview'}-${colorScheme}-${width_name}`;
        await checked(page, name);
        await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
      }
      await page.context().close();
      const operator = await someone('ops@platform.example', { colorScheme, viewport: { width, height: 900 } });
      await operator.goto(`${base}/ops/runs`);
      const run = await operator.locator('tbody a[href^="/ops/runs/"]').first().getAttribute('href');
      for (const path of ['/ops/runs', run, '/ops/queues', '/ops/schedules', '/ops/failures', '/ops/chains']) {
        await operator.goto(`${base}${path}`);
        const name = `${path === run ? 'ops-run' : path.slice(1).replaceAll('/', '-')}-${colorScheme}-${width_name}`;
        await checked(operator, name);
        await operator.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
      }
      await operator.context().close();
    }
  }
  console.log(JSON.stringify(saw));
} catch (error) {
  for (const context of browser.contexts()) {
    for (const page of context.pages()) console.error(page.url(), await page.innerText('main').catch(String));
  }
  throw error;
} finally {
  await browser.close();
}
