// driftpack for TypeScript: scans in, Compliance Packs out. Every operation of the API, typed, is in `driftpack-client/api`.
export { Driftpack, Organisation, type Ci, type Options } from './client.js';
export { ApiError, BrokenPack, PackFailed, TooSlow } from './errors.js';
export { RETRIES, retrying, type Retries } from './retry.js';
export { verify, verifyWithProgram, type Report } from './verify.js';
export type { AuditExport, Me, ScanReceipt } from './generated/index.js';
