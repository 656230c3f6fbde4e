// The hand-written part: what most callers do, in the words of the product.
import { createHash, randomUUID, type Hash } from 'node:crypto';
import { open, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { ApiError, BrokenPack, PackFailed, TooSlow } from './errors.js';
import { createClient, createConfig, type Client } from './generated/client/index.js';
import {
  deleteAuditExport,
  getAuditExport,
  getMe,
  ingestScan,
  requestAuditExport,
  type AuditExport,
  type Me,
  type ScanReceipt,
} from './generated/index.js';
import { RETRIES, retryAfter, retrying, waitBefore, type Retries } from './retry.js';

export interface Options {
  /** Where the service is. */
  baseUrl: string;
  /** A person's access token or an API key. */
  token: string;
  retries?: Partial<Retries>;
  fetch?: typeof fetch;
}

/** What a pipeline knows of itself. */
export interface Ci {
  repository?: string;
  branch?: string;
  commit?: string;
  runUrl?: string;
  pullRequest?: string;
}

/** One service and one caller. The functions of `driftpack-client/api` take `api` as their `client`, and share its retries. */
export class Driftpack {
  readonly api: Client;
  readonly retries: Retries;

  constructor(options: Options) {
    this.retries = { ...RETRIES, ...options.retries };
    this.api = createClient(
      createConfig({
        baseUrl: options.baseUrl.replace(/\/+$/, ''),
        auth: (scheme) => (scheme.type === 'http' ? options.token : undefined),
        fetch: retrying(this.retries, options.fetch),
      }),
    );
  }

  /** Who the caller is, and in which organisations. */
  async me(): Promise<Me> {
    return expected(await getMe({ client: this.api }));
  }

  organisation(id: string): Organisation {
    return new Organisation(this.api, this.retries, id);
  }
}

/** What is done in one organisation. */
export class Organisation {
  constructor(
    private readonly api: Client,
    private readonly retries: Retries,
    readonly id: string,
  ) {}

  /** Hands in a scan: a file's path, or its bytes. The same scan twice is one scan. */
  async ingest(
    scan: string | Uint8Array<ArrayBuffer>,
    options: { stateSource: string; observedAt?: Date; ci?: Ci },
  ): Promise<ScanReceipt> {
    const bytes = typeof scan === 'string' ? new Uint8Array(await readFile(scan)) : scan;
    const { repository, branch, commit, runUrl, pullRequest } = options.ci ?? {};
    return expected(
      await ingestScan({
        client: this.api,
        path: { org_id: this.id },
        query: { state_source: options.stateSource, observed_at: options.observedAt?.toISOString() },
        headers: {
          'x-driftpack-ci-repository': repository,
          'x-driftpack-ci-branch': branch,
          'x-driftpack-ci-commit': commit,
          'x-driftpack-ci-run-url': runUrl,
          'x-driftpack-ci-pull-request': pullRequest,
        },
        body: new Blob([bytes]),
      }),
    );
  }

  /**
   * Requests a pack of `periodStart <= t < periodEnd`, once, however often it has to be asked for. Pass a key of your own to
   * be answered with the same pack after your program was restarted, too.
   */
  async requestPack(
    periodStart: Date,
    periodEnd: Date,
    options: { idempotencyKey?: string } = {},
  ): Promise<AuditExport> {
    return expected(
      await requestAuditExport({
        client: this.api,
        path: { org_id: this.id },
        headers: { 'Idempotency-Key': options.idempotencyKey ?? randomUUID() },
        body: { period_start: periodStart.toISOString(), period_end: periodEnd.toISOString() },
      }),
    );
  }

  async pack(id: string): Promise<AuditExport> {
    return expected(await getAuditExport({ client: this.api, path: this.path(id) }));
  }

  /** The row of the pack once it is done. Throws `PackFailed` when it never will be, `TooSlow` when time is up. */
  async waitUntilDone(
    id: string,
    options: { timeout?: number; every?: number; onProgress?: (row: AuditExport) => void } = {},
  ): Promise<AuditExport> {
    const { timeout = 600_000, every = 1000, onProgress } = options;
    const deadline = performance.now() + timeout;
    for (;;) {
      const row = await this.pack(id);
      onProgress?.(row);
      if (row.status === 'done') return row;
      if (row.status !== 'pending' && row.status !== 'running') throw new PackFailed(row);
      const left = deadline - performance.now();
      if (left <= 0) throw new TooSlow(row, timeout);
      await pause(Math.min(every, left));
    }
  }

  /**
   * Downloads a pack into a folder, under its own name, or to a file; gives the file's path. The file appears when it is
   * whole and has the SHA-256 of the pack's row. A download that is cut goes on where it was.
   */
  async downloadTo(id: string, target: string): Promise<string> {
    const row = await this.pack(id);
    const isFolder = await stat(target).then((found) => found.isDirectory(), () => false);
    const path = isFolder ? join(target, basename(row.file_name ?? '') || `${row.id}.zip`) : target;
    const part = join(dirname(path), `.${basename(path)}.${process.pid}.part`);
    try {
      await this.fetchInto(row, part);
      await rename(part, path);
    } finally {
      await rm(part, { force: true });
    }
    return path;
  }

  async deletePack(id: string): Promise<void> {
    const { error, response } = await deleteAuditExport({ client: this.api, path: this.path(id) });
    if (error !== undefined || !response?.ok) throw refusal(error, response);
  }

  private path(id: string): { org_id: string; export_id: string } {
    return { org_id: this.id, export_id: id };
  }

  private async fetchInto(row: AuditExport, part: string): Promise<void> {
    const digest = createHash('sha256');
    const file = await open(part, 'w');
    try {
      for (let attempt = 1, have = { bytes: 0 }; ; attempt += 1) {
        try {
          await this.append(row, file, digest, have);
          break;
        } catch (fault) {
          // refusals are answers; only a cut is not
          const wait = fault instanceof ApiError ? undefined : waitBefore(this.retries, attempt);
          if (wait === undefined) throw fault;
          await pause(wait);
        }
      }
      await file.sync();
    } finally {
      await file.close();
    }
    if (digest.digest('hex') !== row.sha256) {
      throw new BrokenPack(`the download of ${row.id} has another SHA-256 than its row says`);
    }
  }

  /** Appends what is missing. */
  private async append(row: AuditExport, file: FileHandle, digest: Hash, have: { bytes: number }): Promise<void> {
    if (have.bytes > 0 && have.bytes === row.size_bytes) return;
    const headers: Record<string, string> =
      have.bytes > 0 ? { Range: `bytes=${have.bytes}-`, 'If-Range': `"${row.sha256}"` } : {};
    const { data, error, response } = await this.api.get<{ 200: ReadableStream<Uint8Array> }, unknown>({
      url: '/api/v2/orgs/{org_id}/audit-exports/{export_id}/download',
      path: this.path(row.id),
      security: [{ scheme: 'bearer', type: 'http' }],
      headers,
      parseAs: 'stream',
    });
    if (!response && error !== undefined) throw error;
    if (response?.status !== (have.bytes > 0 ? 206 : 200)) throw refusal(error, response);
    for await (const chunk of data as unknown as AsyncIterable<Uint8Array>) {
      await file.writeFile(chunk);
      digest.update(chunk);
      have.bytes += chunk.byteLength;
    }
  }
}

/** What the generated functions give: an answer, a refusal, or no response at all. */
interface Outcome<T> {
  data?: T;
  error?: unknown;
  response?: Response;
}

function expected<T>(outcome: Outcome<T>): T {
  if (outcome.error === undefined && outcome.data !== undefined) return outcome.data;
  throw refusal(outcome.error, outcome.response);
}

function refusal(error: unknown, response: Response | undefined): Error {
  if (response === undefined) return error instanceof Error ? error : new Error(String(error));
  return new ApiError(response.status, error, retryAfter(response));
}
