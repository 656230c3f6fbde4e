// What can go wrong, by what to do about it.
import type { AuditExport } from './generated/index.js';

/** The service refused. `code` is for programs and never changes; `context` holds what else it said. */
export class ApiError extends Error {
  readonly code: string;
  readonly context: Record<string, unknown>;

  constructor(
    readonly status: number,
    body: unknown,
    /** Seconds, if the service named them. */
    readonly retryAfter?: number,
  ) {
    const { error, message, ...context } =
      typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
    const code = typeof error === 'string' ? error : 'unknown';
    super(`${typeof message === 'string' ? message : 'The service refused.'} (${code}, HTTP ${status})`);
    this.name = 'ApiError';
    this.code = code;
    this.context = context;
  }
}

/** The pack will never be done: it failed, expired or was deleted. `row` is its last state. */
export class PackFailed extends Error {
  constructor(readonly row: AuditExport) {
    super(`The pack ${row.id} is ${row.status}${row.error ? `: ${row.error.message} (${row.error.code})` : ''}.`);
    this.name = 'PackFailed';
  }
}

/** The pack is not done in time; it is still being built, and waiting again is safe. `row` is its last state. */
export class TooSlow extends Error {
  constructor(
    readonly row: AuditExport,
    milliseconds: number,
  ) {
    super(`The pack ${row.id} is still ${row.status} after ${Math.round(milliseconds / 1000)} seconds.`);
    this.name = 'TooSlow';
  }
}

/** The file is not what the service made. */
export class BrokenPack extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'BrokenPack';
  }
}
