// A certified OpenID provider for the system tests: `node provider.mjs PORT BASE_URL`.
//
// It signs whoever types a name into its page in. `POST /control/rotate` makes it sign with a new key at once and keeps publishing
// the old ones; `POST /control/retire` takes the old ones away; `POST /control/hang` and `/control/heal` make its key set hang.
// `POST /control/second-secret` makes the client `packs` have two secrets, `POST /control/no-first-secret` leaves it the second alone.
// Once it listens, it prints one line.
import { createServer } from 'node:http';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { Provider } from 'oidc-provider';

console.info = console.error; // standard output is for one line

const [port, baseUrl] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const audience = 'driftpack';

function newKey(kind) {
  const pair =
    kind === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : kind === 'EdDSA'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...pair.privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: kind };
}

const redirects = {
  redirect_uris: [`${baseUrl}/login/callback`],
  post_logout_redirect_uris: [`${baseUrl}/logout`],
};

function configuration(keys) {
  return {
    jwks: { keys },
    clients: [
      { client_id: 'packs', client_secret: 'a secret: with % and +', ...redirects },
      { client_id: 'other', client_secret: 'other-secret', ...redirects },
      ...['RS256', 'ES256', 'EdDSA'].map((alg) => ({
        client_id: `machine-${alg}`,
        client_secret: 'machine-secret',
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
      })),
    ],
    scopes: ['openid', 'email', 'profile', 'offline_access'],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    cookies: { keys: ['only for tests'] },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx) =>
          ctx.oidc.params?.grant_type === 'client_credentials' ? 'urn:driftpack' : undefined,
        getResourceServerInfo: (ctx, resource, client) => ({
          scope: 'api',
          audience,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 3600,
          jwt: { sign: { alg: client.clientId.split('-')[1] ?? 'RS256' } },
        }),
      },
    },
    pkce: { required: () => true },
    findAccount: (_ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: id, email_verified: true, name: `<i>${id}</i>` }),
    }),
  };
}

const KINDS = ['RS256', 'ES256', 'EdDSA'];
let keys = KINDS.map(newKey);
let provider;
let hangs = false;
let asked = 0;
let secrets = ['a secret: with % and +'];

function restart() {
  provider = new Provider(issuer, configuration(keys));
  provider.on('server_error', (_ctx, error) => console.error(error));
  const { compareClientSecret } = provider.Client.prototype;
  provider.Client.prototype.compareClientSecret = function compare(actual) {
    return this.clientId === 'packs' ? secrets.includes(actual) : compareClientSecret.call(this, actual);
  };
}
restart();

const control = {
  rotate() {
    keys = [...KINDS.map(newKey), ...keys];
  },
  retire() {
    keys = keys.slice(0, KINDS.length);
  },
  hang() {
    hangs = true;
  },
  heal() {
    hangs = false;
  },
  asked() {},
  'second-secret'() {
    secrets = ['a secret: with % and +', 'another secret: with / and ='];
  },
  'no-first-secret'() {
    secrets = secrets.slice(1);
  },
};

createServer((request, response) => {
  const path = request.url.split('?')[0];
  if (path.startsWith('/control/')) {
    const name = path.slice('/control/'.length);
    control[name]();
    if (['rotate', 'retire'].includes(name)) restart();
    response.end(JSON.stringify({ asked, keys: keys.map((key) => key.kid) }));
    return;
  }
  if (path === '/jwks') {
    asked += 1;
    if (hangs) return; // the caller's patience ends it
  }
  provider.callback()(request, response);
}).listen(Number(port), '127.0.0.1', () => console.log(`listening on ${issuer}`));
