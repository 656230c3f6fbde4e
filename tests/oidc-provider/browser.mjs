// A real browser signs in, is attacked by another site, and signs out: `node browser.mjs BASE_URL NAME CHROMIUM`.
// Prints what it saw as JSON; what must hold is asserted by the test.
import { chromium } from 'playwright-core';

const [base, name, executablePath] = process.argv.slice(2);
const args = process.getuid() === 0 ? ['--no-sandbox'] : [];
const browser = await chromium.launch({ executablePath, args });
try {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(`${base}/login`);
  await page.fill('input[name=login]', name);
  await page.fill('input[name=password]', 'x');
  await page.click('button[type=submit]');
  await page.waitForSelector('input[name=prompt][value=consent]', { state: 'attached' });
  await page.click('button[type=submit]');
  await page.waitForURL(`${base}/orgs/acme`);

  const cookies = await context.cookies(base);
  const session = cookies.find((cookie) => cookie.name.endsWith('driftpack_session'));
  const cookie = Object.fromEntries(['name', 'path', 'httpOnly', 'sameSite'].map((key) => [key, session[key]]));
  const script_sees = await page.evaluate(() => document.cookie);
  const me = JSON.parse(await (await page.goto(`${base}/api/v2/me`)).text());

  // Another site's page that sends the form for signing out by itself.
  const evil = 'http://evil.test/';
  const html = `<form method="post" action="${base}/logout"></form><script>document.forms[0].submit()</script>`;
  await page.route(`${evil}**`, (route) => route.fulfill({ contentType: 'text/html', body: html }));
  await page.goto(evil, { waitUntil: 'commit' });
  await page.waitForURL((url) => url.href.startsWith(base));
  const after_attack = (await page.goto(`${base}/api/v2/me`)).status();

  await page.goto(`${base}/logout`);
  await page.click('button');
  await page.click('button[name=logout], button[value=yes]');
  await page.waitForURL(`${base}/logout`);
  const address = page.url();
  const status = (await page.goto(`${base}/api/v2/me`)).status();
  console.log(JSON.stringify({ me, cookie, script_sees, after_attack, end: { address, status } }));
} finally {
  await browser.close();
}
