import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSmtpUrl, SmtpUrlError } from './url.ts';

test('a plain URL means port 25 and encryption when it is offered', () => {
  assert.deepEqual(parseSmtpUrl('smtp://relay.example'), {
    host: 'relay.example',
    port: 25,
    tls: 'opportunistic',
    verify: false,
    credentials: null,
  });
});

test('a password goes to port 587 and never in clear to another machine', () => {
  assert.deepEqual(parseSmtpUrl('smtp://us%40er:p%3Ass@relay.example'), {
    host: 'relay.example',
    port: 587,
    tls: 'required',
    verify: true,
    credentials: { user: 'us@er', password: 'p:ss', mechanism: null },
  });
  for (const host of ['localhost', '127.0.0.1', '[::1]'])
    assert.equal(parseSmtpUrl(`smtp://u:p@${host}`).tls, 'opportunistic');
});

test('smtps is TLS from the start on port 465, with a certificate that is checked', () => {
  const { port, tls, verify } = parseSmtpUrl('smtps://relay.example');
  assert.deepEqual({ port, tls, verify }, { port: 465, tls: 'implicit', verify: true });
});

test('what the URL says wins over what we would choose', () => {
  const options = parseSmtpUrl('smtp://u:p@[2001:db8::1]:2525/?tls=none&auth=xoauth2&verify=yes');
  assert.equal(options.host, '2001:db8::1');
  assert.equal(options.port, 2525);
  assert.equal(options.tls, 'none');
  assert.equal(options.verify, true);
  assert.equal(options.credentials?.mechanism, 'xoauth2');
  assert.equal(parseSmtpUrl('smtps://relay.example?verify=no').verify, false);
  assert.equal(parseSmtpUrl('smtp://relay.example?tls=required').verify, true);
});

const wrong: readonly [url: string, says: RegExp][] = [
  ['relay.example:25', /begin with smtp/],
  ['', /not a URL/],
  ['http://u:hunter2@relay.example', /begin with smtp/],
  ['smtp://u:hunter2@relay.example:99999', /not a URL/],
  ['smtp://u:hunt#er2@relay.example', /not a URL/],
  ['smtp://', /no host/],
  ['smtp://u:hunter2@relay.example/inbox', /end after the port/],
  ['smtp://u:hunter2@relay.example#x', /end after the port/],
  ['smtp://u:hunter2@relay.example?tls=maybe', /tls must be one of: opportunistic, required, none/],
  ['smtp://u:hunter2@relay.example?pool=5', /unknown parameter/],
  ['smtp://u:hunter2@relay.example?__proto__=5', /unknown parameter/],
  ['smtp://u:hunter2%@relay.example', /percent-encoded/],
  ['smtp://relay.example?auth=plain', /no user name/],
  ['smtps://u:hunter2@relay.example?tls=none', /contradicts/],
];

for (const [url, says] of wrong)
  test(`a wrong URL is one sentence without its password: ${url}`, () => {
    assert.throws(
      () => parseSmtpUrl(url),
      (error) => {
        assert.ok(error instanceof SmtpUrlError);
        assert.match(error.message, says);
        assert.doesNotMatch(error.message, /hunt/);
        return true;
      },
    );
  });
