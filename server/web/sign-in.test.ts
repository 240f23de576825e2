/** Signing in over HTTP: who gets in, what the answers tell, and what they do not. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { after, before, test } from 'node:test';
import { newWorkspace, signedInMember } from '../../test/support/accounts.ts';
import { Browser } from '../../test/support/browser.ts';
import { TestWeb } from '../../test/support/web.ts';
import { hashPassword } from '../accounts/passwords.ts';
import { admit } from '../accounts/throttle.ts';
import { openScopeNames } from '../kernel/scope.ts';

const PASSWORD = 'mauve otter sings';
const OTHER_PASSWORD = 'green heron dives';

let web: TestWeb;
let workspaceId: string;
let passwordHash: string;
let addresses = 0;

before(async () => {
  web = await TestWeb.start({}, { env: { CAMP_TRUSTED_PROXIES: '127.0.0.1' } });
  workspaceId = await newWorkspace(web.db.database);
  passwordHash = await hashPassword(PASSWORD);
});

after(async () => {
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});

function newMember(at = workspaceId) {
  return signedInMember(web.db.database, at, 'marketer', { passwordHash });
}

function newBrowser(): Browser {
  addresses += 1;
  return new Browser(web, `192.0.2.${addresses}`);
}

test('a member signs in, is known by the cookie, and signs out', async () => {
  const { email, principal } = await newMember();
  const browser = newBrowser();
  const signedIn = await browser.ask('POST /v1/sign-in', { body: { email, password: PASSWORD } });
  assert.equal(signedIn.status, 200);
  assert.deepEqual([signedIn.json.person_id, signedIn.json.role], [principal.personId, 'marketer']);
  assert.match(
    signedIn.headers.get('set-cookie') ?? '',
    /^camp=[\w-]{43}; Path=\/; Max-Age=604800; HttpOnly; SameSite=Lax$/,
  );
  assert.equal(signedIn.headers.get('cache-control'), 'no-store');
  const token = browser.cookie.split('=')[1] ?? assert.fail();
  assert.ok(!signedIn.bytes.includes(token));
  assert.equal((await browser.ask('GET /v1/me')).json.id, signedIn.json.id);
  const account = await browser.ask('GET /v1/me/account');
  assert.deepEqual(account.json, {
    email,
    name: 'Ada',
    has_password: true,
    has_second_factor: false,
    recovery_codes_left: 0,
  });
  const held = { cookie: browser.cookie };
  const signedOut = await browser.ask('POST /v1/sign-out');
  assert.deepEqual([signedOut.status, browser.cookie], [204, '']);
  assert.equal((await web.ask('GET /v1/me', { headers: held })).status, 401);
});

test('over TLS the cookie is bound to this host and to TLS, and no other is taken', async () => {
  const secure = await TestWeb.start({}, { env: { CAMP_PUBLIC_URL: 'https://mail.example.com' } });
  try {
    const id = await newWorkspace(secure.db.database);
    const { email } = await signedInMember(secure.db.database, id, 'owner', { passwordHash });
    const browser = new Browser(secure);
    const { headers } = await browser.ask('POST /v1/sign-in', { body: { email, password: PASSWORD } });
    assert.match(
      headers.get('set-cookie') ?? '',
      /^__Host-camp=[\w-]{43}; Path=\/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure$/,
    );
    assert.equal((await browser.ask('GET /v1/me')).status, 200);
    const bare = browser.cookie.replace('__Host-', '');
    assert.equal((await secure.ask('GET /v1/me', { headers: { cookie: bare } })).status, 401);
    const out = await browser.ask('POST /v1/sign-out');
    assert.match(
      out.headers.get('set-cookie') ?? '',
      /^__Host-camp=; Path=\/; Max-Age=0; HttpOnly; SameSite=Lax; Secure$/,
    );
  } finally {
    await secure.stop();
  }
});

/** How many hashes of passwords are computed meanwhile. */
async function hashesDuring(work: () => Promise<unknown>): Promise<number> {
  const real = crypto.argon2;
  let hashes = 0;
  const counting: typeof crypto.argon2 = (...parameters) => {
    hashes += 1;
    real(...parameters);
  };
  crypto.argon2 = counting;
  syncBuiltinESMExports();
  try {
    await work();
    return hashes;
  } finally {
    crypto.argon2 = real;
    syncBuiltinESMExports();
  }
}

test('a wrong password, a stranger and a member without a password get one answer for one work', async () => {
  const { email } = await newMember();
  const without = await signedInMember(web.db.database, workspaceId, 'analyst');
  const heard = new Set<string>();
  for (const tried of [email, without.email, 'nobody@example.com', 'no address']) {
    const body = { email: tried, password: OTHER_PASSWORD };
    const hashes = await hashesDuring(async () => {
      const { status, headers, json } = await newBrowser().ask('POST /v1/sign-in', { body });
      const { request_id, ...problem } = json;
      heard.add(JSON.stringify([status, headers.get('set-cookie'), headers.get('cache-control'), problem]));
    });
    assert.equal(hashes, 1, tried);
  }
  assert.equal(heard.size, 1, [...heard].join('\n'));
  assert.match([...heard].join(), /403.*sign-in-refused/);
});

test('who guesses is told to come again; whoever is guessed at gets in from elsewhere', async () => {
  const { email } = await newMember();
  const guesser = newBrowser();
  // Below, and beyond, what an address may try.
  for (let n = 0; n < 30; n += 1) await admit(web.db.database, `${n}@example.com`, guesser.address);
  const refused = await guesser.ask('POST /v1/sign-in', { body: { email, password: PASSWORD } });
  assert.deepEqual([refused.status, refused.json.code], [429, 'too-many-requests']);
  assert.ok(Number(refused.headers.get('retry-after')) > 0);
  assert.equal(refused.headers.get('set-cookie'), null);
  // From many addresses, at the one account.
  for (let n = 0; n < 6; n += 1) await admit(web.db.database, email, undefined);
  const signedIn = await newBrowser().ask('POST /v1/sign-in', { body: { email, password: PASSWORD } });
  assert.equal(signedIn.status, 200);
});

test('a flood of sign-ins is our trouble, and passes', async () => {
  const { email } = await newMember();
  const real = crypto.argon2;
  const held: (() => void)[] = [];
  const floods: Promise<unknown>[] = [];
  crypto.argon2 = (_algorithm, _parameters, done) => void held.push(() => done(null, Buffer.alloc(32)));
  syncBuiltinESMExports();
  try {
    for (let n = 0; n < 52; n += 1) floods.push(hashPassword(PASSWORD));
    const { status, json, headers } = await newBrowser().ask('POST /v1/sign-in', {
      body: { email, password: PASSWORD },
    });
    assert.deepEqual([status, json.code, headers.get('retry-after')], [503, 'overloaded', '1']);
  } finally {
    while (held.length > 0) {
      for (const release of held.splice(0)) release();
      await new Promise(setImmediate);
    }
    await Promise.all(floods);
    crypto.argon2 = real;
    syncBuiltinESMExports();
  }
  const again = await newBrowser().ask('POST /v1/sign-in', { body: { email, password: PASSWORD } });
  assert.equal(again.status, 200);
});

test('a changed password ends every session but the one that changed it', async () => {
  const { email } = await newMember();
  const [here, elsewhere] = [newBrowser(), newBrowser()];
  for (const browser of [here, elsewhere])
    await browser.ask('POST /v1/sign-in', { body: { email, password: PASSWORD } });
  const old = here.cookie;
  const change = (password: string, new_password: string) =>
    here.ask('POST /v1/me/password', { body: { password, new_password } });
  assert.equal((await change(OTHER_PASSWORD, 'a third one of these')).json.code, 'sign-in-refused');
  const weak = await change(PASSWORD, 'short');
  assert.deepEqual([weak.status, weak.json.code], [422, 'refused']);
  assert.equal((await change(PASSWORD, OTHER_PASSWORD)).status, 200);
  assert.notEqual(here.cookie, old);
  assert.equal((await here.ask('GET /v1/me')).status, 200);
  assert.equal((await elsewhere.ask('GET /v1/me')).status, 401);
  assert.equal((await web.ask('GET /v1/me', { headers: { cookie: old } })).status, 401);
});

test('a form of another site cannot sign anybody in', async () => {
  const { email } = await newMember();
  const forms = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'];
  for (const type of forms) {
    const { status } = await web.ask('POST /v1/sign-in', {
      body: JSON.stringify({ email, password: PASSWORD }),
      headers: { 'content-type': type },
    });
    assert.equal(status, 415, type);
  }
});
