// The page: takes a pack, shows how far the check is, and says what came of it. The only thing it asks a server for, once the
// page is there, is this service's list of public keys.

const KEYS = '/.well-known/driftpack-keys.json';
const KEYS_BYTES_MAX = 1 << 20;

const at = (id) => document.getElementById(id);
const say = (id, text) => { at(id).textContent = text; };

/** What a result means, for somebody who has not read the manual. */
const VERDICTS = {
  ok: ['Whole', 'Every file is the one that was signed, the figures agree with each other and with the rows, and the excerpt of the audit log is complete.'],
  trusting: ['Whole, but signed by nobody you named', 'Everything agrees. The pack brought its own key along, so the signature shows that its parts belong together, not who made them.'],
  broken: ['Not to be relied on', 'Something in this file contradicts something else in it, or it is not the file that driftpack wrote. The lines below say what.'],
  truncated: ['Cut off', 'The end is missing: of the file, or of the audit log. Nothing that is there shows what was lost.'],
  incomplete: ['Not decided', 'Nothing contradicts, but something that the answer needs is missing. The lines below say what.'],
};

/** What each check is about. */
const CHECKS = {
  archive: 'The ZIP itself', names: 'Names of files', limits: 'Sizes', manifest: 'List of files', tables: 'CSV files', data: 'data.json and its summary',
  provenance: 'provenance.json', roll_forward: 'Roll-forward of findings', chain_excerpt: 'Audit log of the period', attestation: 'Chain attestation',
  signature: 'Signature', trust: 'Whose key', time_stamp: 'Time stamp', continuity: 'Earlier packs',
};
const MARKS = { ok: 'ok', note: 'note', incomplete: 'missing', truncated: 'cut off', broken: 'wrong' };

let worker = started();
let isBusy = false;

function started() {
  const made = new Worker('/verify/assets/worker.mjs', { type: 'module' });
  made.onmessage = ({ data }) => {
    if (data.ready) document.documentElement.dataset.ready = 'true';
    if (data.progress !== undefined) advance(data.progress);
    if (data.report) show(data.report);
    if (data.fault) fail(data.fault);
  };
  made.onerror = () => fail('this browser is too old for the check, or stopped it: use a current one');
  return made;
}

async function trust() {
  const kind = document.querySelector('input[name=trust]:checked').value;
  if (kind === 'own') return { kind, text: at('own-key').value };
  if (kind === 'none') return { kind };
  const answer = await fetch(KEYS, { cache: 'no-store', credentials: 'omit' });
  if (!answer.ok) throw new Error(`${KEYS} answers ${answer.status}`);
  const list = await answer.arrayBuffer();
  if (list.byteLength > KEYS_BYTES_MAX) throw new Error(`${KEYS} is too large`);
  return { kind, list };
}

async function check(files) {
  const file = files[0];
  if (!file || isBusy) return;
  isBusy = true;
  at('answer').hidden = true;
  at('progress').hidden = false;
  at('drop').setAttribute('aria-busy', 'true');
  say('file-name', `${file.name} (${(file.size / 1e6).toFixed(file.size < 1e7 ? 2 : 0)} MB)`);
  advance(0);
  try {
    worker.postMessage({ file, against: [...at('against').files], trust: await trust() });
  } catch {
    fail('the list of keys of this service cannot be had; try again, or choose another key above');
  }
}

function advance(part) {
  at('bar').value = part;
  say('percent', `${Math.floor(part * 100)} %`);
}

function finish() {
  isBusy = false;
  at('progress').hidden = true;
  at('drop').removeAttribute('aria-busy');
  at('answer').hidden = false;
  at('pack').value = '';
  at('verdict').focus();
}

function fail(fault) {
  worker.terminate();
  worker = started();
  at('answer').dataset.result = 'incomplete';
  say('result', 'not checked');
  say('verdict', 'It could not be checked');
  say('meaning', fault);
  at('facts').replaceChildren();
  at('checks').replaceChildren();
  finish();
}

function show({ result, checks, facts }) {
  const isTrusting = result === 'ok' && checks.some(({ name, status }) => name === 'trust' && status === 'note');
  const [verdict, meaning] = VERDICTS[isTrusting ? 'trusting' : result];
  at('answer').dataset.result = isTrusting ? 'trusting' : result;
  say('result', result);
  say('verdict', verdict);
  say('meaning', meaning);
  at('facts').replaceChildren(...(facts ? described(facts) : []));
  // What objects comes first; the rest stays in the order in which it was checked.
  const rank = ({ status }) => ['broken', 'truncated', 'incomplete'].indexOf(status) >>> 0;
  at('checks').replaceChildren(...checks.toSorted((left, right) => rank(left) - rank(right)).map(row));
  finish();
}

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function described({ name, period, head_seq, signed_by }) {
  const day = (moment) => moment.slice(0, 10);
  const facts = [
    ['Organisation', name],
    ['Period', `${day(period.start)} until before ${day(period.end)} (UTC)`],
    ['Audit log', `attested up to entry ${head_seq}`],
    ['Key id', signed_by ?? 'no signature that is right'],
  ];
  return facts.flatMap(([term, text]) => [element('dt', term), element('dd', text)]);
}

function row({ name, status, detail }) {
  const made = element('li', '', status);
  made.append(element('span', MARKS[status], 'mark'), element('span', CHECKS[name] ?? name, 'name'), element('span', detail, 'detail'));
  return made;
}

at('pack').addEventListener('change', (event) => check(event.target.files));
for (const name of ['dragover', 'drop']) document.addEventListener(name, (event) => event.preventDefault());
document.addEventListener('dragover', () => at('drop').classList.add('over'));
for (const name of ['dragleave', 'drop']) document.addEventListener(name, () => at('drop').classList.remove('over'));
document.addEventListener('drop', (event) => check(event.dataTransfer.files));
for (const choice of document.querySelectorAll('input[name=trust]')) {
  choice.addEventListener('change', () => { at('own').hidden = choice.value !== 'own'; });
}
