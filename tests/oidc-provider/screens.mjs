// People at the pages, with a real browser: `node screens.mjs BASE_URL CHROMIUM FOLDER PLAN`. Prints what it saw as JSON; what must
// hold is asserted by the test. Pictures of every page go to FOLDER.
import { join } from 'node:path';
import { THEMES, WIDTHS, open } from './people.mjs';

const [base, executablePath, folder, plan] = process.argv.slice(2);
const { saw, someone, pictured, tell } = await open(base, executablePath, folder);
saw.focus = {};

const PAGES = [
  '', '/compliance', '/findings', '/findings/1', '/scans', '/audit-log', '/settings/members', '/settings/api-keys',
  '/settings/state-sources', '/settings/custom-rules', '/settings/plan',
];

await tell(async () => {
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
  for (const colorScheme of THEMES) {
    for (const [width_name, width] of Object.entries(WIDTHS)) {
      const page = await someone('owner@acme.example', { colorScheme, viewport: { width, height: 900 } });
      for (const path of PAGES) {
        await page.goto(`${base}/orgs/acme${path}`);
        const name = `${path.slice(1).replaceAll('/', '-') || 'overview'}-${colorScheme}-${width_name}`;
        await pictured(page, name);
      }
      await page.context().close();
      const operator = await someone('ops@platform.example', { colorScheme, viewport: { width, height: 900 } });
      await operator.goto(`${base}/ops/runs`);
      const run = await operator.locator('tbody a[href^="/ops/runs/"]').first().getAttribute('href');
      for (const path of ['/ops/runs', run, '/ops/queues', '/ops/schedules', '/ops/failures', '/ops/chains']) {
        await operator.goto(`${base}${path}`);
        const name = `${path === run ? 'ops-run' : path.slice(1).replaceAll('/', '-')}-${colorScheme}-${width_name}`;
        await pictured(operator, name);
      }
      await operator.context().close();
    }
  }
});
