import assert from 'node:assert/strict';
import { argon2Sync } from 'node:crypto';
import { test } from 'node:test';
import { COMMON_LENGTH_MIN, commonPasswords, isCommon } from './common-passwords.ts';
import { hashPassword, PASSWORD_LENGTH_MIN, passwordFault, SignInBusy, verifyPassword } from './passwords.ts';

const EMAIL = 'ada.lovelace@analytical.example';

test('a password is kept as Argon2id in PHC format, with a salt of its own, and verifies', async () => {
  const [first, second] = await Promise.all([
    hashPassword('a long enough one'),
    hashPassword('a long enough one'),
  ]);
  assert.match(first, /^\$argon2id\$v=19\$m=47104,t=1,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
  assert.notEqual(first, second);
  assert.deepEqual(await verifyPassword('a long enough one', first), { ok: true, isOutdated: false });
  for (const wrong of ['a long enough One', 'a long enough one ', '', 'x'])
    assert.equal((await verifyPassword(wrong, first)).ok, false, wrong);
});

test('a password that was hashed with smaller parameters verifies, and is known to be outdated', async () => {
  const nonce = Buffer.alloc(16, 7);
  const parameters = { parallelism: 1, tagLength: 32, memory: 1_024, passes: 2 };
  const hash = argon2Sync('argon2id', { message: 'a long enough one', nonce, ...parameters });
  const encode = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
  const stored = `$argon2id$v=19$m=1024,t=2,p=1$${encode(nonce)}$${encode(hash)}`;
  assert.deepEqual(await verifyPassword('a long enough one', stored), { ok: true, isOutdated: true });
  assert.equal((await verifyPassword('another long one', stored)).ok, false);
});

test('one password that two keyboards write in different ways is the same', async () => {
  const stored = await hashPassword('caf\u00e9 au lait, ﬁne');
  assert.equal((await verifyPassword('cafe\u0301 au lait, fine', stored)).ok, true);
});

test('a stored text that is not ours is a mistake, and never a password', async () => {
  for (const stored of ['', 'plain', '$2b$10$abcdefghijklmnopqrstuv', '$argon2i$v=19$m=1,t=1,p=1$a$b'])
    await assert.rejects(verifyPassword('plain', stored), /not in the format/, stored);
});

test('the work for nobody’s password is that for somebody’s', async () => {
  const stored = await hashPassword('a long enough one');
  const cpuOf = async (kept: string | null) => {
    const begun = process.cpuUsage();
    for (let round = 0; round < 3; round += 1) await verifyPassword('wrong', kept);
    const { user, system } = process.cpuUsage(begun);
    return user + system;
  };
  await cpuOf(stored);
  const [somebody, nobody] = [await cpuOf(stored), await cpuOf(null)];
  const ratio = nobody / somebody;
  assert.ok(ratio > 0.5 && ratio < 2, `${ratio}`);
  assert.equal((await verifyPassword('wrong', null)).ok, false);
});

test('hashing leaves the event loop free', async () => {
  let turns = 0;
  const hashing = Promise.all([hashPassword('a long enough one'), hashPassword('a long enough one')]);
  let isDone = false;
  void hashing.then(() => {
    isDone = true;
  });
  while (!isDone) {
    turns += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(turns > 10, `${turns} turns`);
});

test('a flood of sign-ins is told to come again, and those that wait are served', async () => {
  const outcomes = await Promise.allSettled(Array.from({ length: 60 }, () => verifyPassword('x', TINY)));
  const refused = outcomes.filter(({ status }) => status === 'rejected');
  assert.equal(refused.length, 60 - 52);
  for (const { reason } of refused as PromiseRejectedResult[]) assert.ok(reason instanceof SignInBusy);
  assert.equal((await verifyPassword('x', TINY)).ok, false);
});

/** Costs next to nothing. */
const TINY = `$argon2id$v=19$m=8,t=1,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;

test(`${PASSWORD_LENGTH_MIN} characters are enough and no kinds of letters are asked for`, () => {
  for (const good of [
    'mauve otter',
    'zwölf Boxkämpfer',
    'xkvdpzqmwrty',
    '👩‍🚀👩‍🚀 to the moon',
    'w'.concat('ortlos'.repeat(30)),
  ])
    assert.equal(passwordFault(`${good}.`, EMAIL), null, good);
  assert.match(passwordFault('elevenchars', EMAIL) ?? '', /11 characters: 12 are needed, and 15 are better/);
  assert.match(passwordFault('🙂'.repeat(11), EMAIL) ?? '', /11 characters/);
  assert.match(passwordFault('mauve otter '.repeat(22), EMAIL) ?? '', /longer than 256/);
});

test('passwords that are tried first are refused: thousands of them, however they are spelt', () => {
  const common = commonPasswords();
  assert.ok(common.size >= 3_000, `${common.size}`);
  for (const password of common) {
    assert.ok(password.length >= COMMON_LENGTH_MIN, password);
    assert.ok(passwordFault(password, EMAIL) !== null, password);
  }
  for (const password of [
    'password1234',
    'Password123!',
    'P@$$w0rd2024',
    'passw0rd1234',
    'QwertyUiop123',
    'qwertyuiop12',
    '1qaz2wsx3edc',
    '123456789012',
    '098765432109',
    'iloveyou1234',
    'welcomewelcome',
    'Summer2026!!',
    'adminadmin123',
    'aaaaaaaaaaaa',
    'abababababab',
    '111122223333',
    'abcdefghijkl',
    'letmein12345',
    'Marketing2026!',
  ])
    assert.equal(isCommon(password), true, password);
  assert.equal(isCommon('correct horse battery'), false);
});

test('an e-mail address is no password', () => {
  for (const password of [
    'ada.lovelace1',
    'Ada.Lovelace@analytical.example',
    'analytical123',
    'ada.lovelace2026!',
  ])
    assert.match(passwordFault(password, EMAIL) ?? '', /little more than the e-mail address/, password);
  assert.equal(passwordFault('ada.lovelace plays the harp', EMAIL), null);
});
