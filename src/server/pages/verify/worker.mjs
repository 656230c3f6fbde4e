// Checks a pack beside the page, so that the page goes on answering. It gets files, and answers with progress and a report.

import { told } from './report.mjs';
import { readKeys, readOwn } from './signature.mjs';
import { verify } from './verify.mjs';

/** Progress is told so often a second. */
const TOLD_A_SECOND = 20;

/** The keys that are trusted: those of this service, those that were typed in, or none. */
function trusted({ kind, list, text }) {
  if (kind === 'service') return readKeys(new Uint8Array(list));
  return kind === 'own' ? readOwn(text) : [];
}

onmessage = async ({ data: { file, against, trust } }) => {
  let last = 0;
  const progress = (done, all) => {
    if (performance.now() - last < 1000 / TOLD_A_SECOND) return;
    last = performance.now();
    postMessage({ progress: all > 0 ? done / all : 0 });
  };
  try {
    const report = await verify(file, { keys: trusted(trust), against, progress });
    postMessage({ report: { result: report.result, checks: report.checks, facts: report.facts } });
  } catch (error) {
    postMessage({ fault: told(error) });
  }
};

postMessage({ ready: true });
