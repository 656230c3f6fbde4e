// Checks packs on the page /verify in a real browser: `node verify.mjs BASE_URL JOBS.json CHROMIUM`.
// Prints what the page said, and what it asked for once it was there; what must hold is asserted by the test.
import { readFile } from 'node:fs/promises';
import { chromium } from 'playwright-core';

const [base, file, executablePath] = process.argv.slice(2);
const jobs = JSON.parse(await readFile(file, 'utf8'));
const args = process.getuid() === 0 ? ['--no-sandbox'] : [];
const browser = await chromium.launch({ executablePath, args });
try {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(120_000);
  const [asked, said, answers] = [[], [], []];
  page.on('console', (message) => { if (message.type() !== 'log') said.push(message.text()); });
  page.on('pageerror', (error) => said.push(String(error)));
  await page.goto(`${base}/verify`, { waitUntil: 'networkidle' });
  await page.waitForSelector('html[data-ready=true]');
  page.context().on('request', (request) => asked.push(`${request.method()} ${request.url()}`));
  await page.click('summary');
  for (const { zip, keys, trust, against } of jobs) {
    await page.check(`input[name=trust][value=${trust}]`);
    if (trust === 'own') await page.fill('#own-key', await readFile(keys, 'utf8'));
    await page.setInputFiles('#against', against);
    await page.evaluate(() => { document.getElementById('answer').hidden = true; });
    await page.setInputFiles('#pack', zip);
    await page.waitForSelector('#answer:not([hidden])');
    answers.push({ result: await page.textContent('#result'), checks: await page.locator('#checks li').allTextContents() });
  }
  console.log(JSON.stringify({ answers, asked, console: said }));
} finally {
  await browser.close();
}
