// People in a real browser, and what is looked at on every page: faults, requests to elsewhere, axe, and whether it is too wide.
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export const WIDTHS = { wide: 1280, phone: 360 };
export const THEMES = ['light', 'dark'];

/// A form that is refused with its reason on the page is no fault, though a browser's console calls it one.
const formRefused = (said) => said.text().includes('status of 422');

export async function open(base, executablePath, folder) {
  const args = process.getuid() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath, args });
  mkdirSync(folder, { recursive: true });
  const saw = { faults: [], elsewhere: [], axe: [], wider: [] };

  /// Somebody who has signed in. `refused`: they go where they may not, which a browser's console calls an error.
  async function someone(email, { refused = false, ...options } = {}) {
    const context = await browser.newContext({ acceptDownloads: true, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    page.on('pageerror', (error) => saw.faults.push(String(error)));
    page.on('console', (said) => !refused && said.type() === 'error' && said.location().url.startsWith(base) && !formRefused(said) && saw.faults.push(said.text()));
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
    if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
    for (const { id, impact, nodes } of violations) {
      if (impact === 'serious' || impact === 'critical') saw.axe.push(`${name}: ${id}: ${nodes[0].html.slice(0, 160)}`);
    }
    if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) saw.wider.push(name);
    if ((await page.innerText('body')).includes('<span')) saw.faults.push(`${name} shows markup as text`);
  }

  async function pictured(page, name) {
    await checked(page, name);
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
  }

  /// The page as it stands, in both themes, wide and on a phone.
  async function everywhere(page, name) {
    for (const colorScheme of THEMES) {
      for (const [width_name, width] of Object.entries(WIDTHS)) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 900 });
        await pictured(page, `${name}-${colorScheme}-${width_name}`);
      }
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: WIDTHS.wide, height: 900 });
  }

  /// Prints what was seen; when it cannot be, what is on every page that is open.
  async function tell(act) {
    try {
      await act();
      console.log(JSON.stringify(saw));
    } catch (error) {
      for (const page of browser.contexts().flatMap((context) => context.pages())) {
        console.error(page.url(), await page.innerText('main').catch(String));
      }
      throw error;
    } finally {
      await browser.close();
    }
  }

  return { browser, saw, someone, checked, pictured, everywhere, tell };
}
