// Trying again, where that can neither do harm nor be in vain.
import { setTimeout as pause } from 'node:timers/promises';

/**
 * At most `tries` attempts, and no wait longer than `longestWait` milliseconds. A service that asks for more patience than
 * that (the limit of packs a day may ask for hours) is refusing: its answer is handed on at once.
 */
export interface Retries {
  tries: number;
  firstWait: number;
  longestWait: number;
}

export const RETRIES: Retries = { tries: 5, firstWait: 250, longestWait: 20_000 };

// Nothing was done, or what was done is done only once. 503 and 429 say so; the others are a gateway's words.
const PASSING = new Set([408, 429, 502, 503, 504]);
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS', 'DELETE']);

/** Milliseconds before the next attempt; `undefined` when there is none. */
export function waitBefore(retries: Retries, attempt: number, retryAfter?: number): number | undefined {
  if (attempt >= retries.tries) return undefined;
  if (retryAfter !== undefined) return retryAfter * 1000 <= retries.longestWait ? retryAfter * 1000 : undefined;
  // clients that were cut off together must not come back together
  return Math.min(retries.longestWait, retries.firstWait * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
}

/** Seconds, if the service named them. */
export function retryAfter(response: Response): number | undefined {
  const text = response.headers.get('retry-after');
  const seconds = text === null ? Number.NaN : Number(text);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}

/**
 * `fetch` that sends a request again if it may be repeated: by its method, by an Idempotency-Key, or because it hands in a
 * scan, which the service takes once however often it comes. Whether a request was sent at all is not known here.
 */
export function retrying(
  retries: Retries,
  inner: typeof fetch = fetch,
  sleep: (milliseconds: number) => Promise<unknown> = pause,
): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    if (!mayRepeat(request)) return inner(request);
    for (let attempt = 1; ; attempt += 1) {
      let wait: number | undefined;
      try {
        const response = await inner(request.clone());
        wait = PASSING.has(response.status) ? waitBefore(retries, attempt, retryAfter(response)) : undefined;
        if (wait === undefined) return response;
        await response.body?.cancel();
      } catch (fault) {
        wait = request.signal.aborted ? undefined : waitBefore(retries, attempt);
        if (wait === undefined) throw fault;
      }
      await sleep(wait);
    }
  };
}

function mayRepeat(request: Request): boolean {
  const isScan = request.method === 'POST' && new URL(request.url).pathname.endsWith('/scans');
  return REPEATABLE.has(request.method) || request.headers.has('idempotency-key') || isScan;
}
