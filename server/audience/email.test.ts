import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { normaliseEmail } from './email.ts';

const SAME_PERSON: [pasted: string, email: string][] = [
  ['eve@acme.example', 'eve@acme.example'],
  [' Eve@ACME.Example\t', 'eve@acme.example'],
  ['\u00a0eve@acme.example\u200b', 'eve@acme.example'],
  ['\ufeff\u202aeve@acme.example\u202c', 'eve@acme.example'],
  ['<eve@acme.example>', 'eve@acme.example'],
  ['"eve@acme.example"', 'eve@acme.example'],
  ["'eve@acme.example'", 'eve@acme.example'],
  ['“eve@acme.example”', 'eve@acme.example'],
  ['mailto:eve@acme.example', 'eve@acme.example'],
  ['MAILTO: "<eve@acme.example>"', 'eve@acme.example'],
  ["o'neil+news@acme.example", "o'neil+news@acme.example"],
  ["'neil@acme.example", "'neil@acme.example"],
  ['!#$%&*/=?^_`{|}~-@acme.example', '!#$%&*/=?^_`{|}~-@acme.example'],
  ['eve@bücher.example', 'eve@xn--bcher-kva.example'],
  ['eve@BU\u0308CHER.example', 'eve@xn--bcher-kva.example'],
  ['eve@例え.テスト', 'eve@xn--r8jz45g.xn--zckzah'],
  ['eve@acme。example', 'eve@acme.example'],
  ['eve@a.b.c.d.example', 'eve@a.b.c.d.example'],
  ['eve@3com.example', 'eve@3com.example'],
  [`${'a'.repeat(64)}@acme.example`, `${'a'.repeat(64)}@acme.example`],
  [`a@${'b'.repeat(63)}.example`, `a@${'b'.repeat(63)}.example`],
];

const REFUSED: [input: string, reason: RegExp][] = [
  ['', /empty/],
  [' \u200b ', /empty/],
  ['<>', /empty/],
  ['eve', /no @/],
  ['@acme.example', /nothing before/],
  ['eve@', /nothing after/],
  ['eve@acme', /no dot/],
  ['eve@@acme.example', /more than one @/],
  ['eve@acme@acme.example', /more than one @/],
  ['.eve@acme.example', /dot stands/],
  ['eve.@acme.example', /dot stands/],
  ['e..ve@acme.example', /dot stands/],
  ['eve smith@acme.example', /space/],
  ['eve\u200bsmith@acme.example', /invisible/],
  ['eve@acme .example', /space/],
  ['eve@acme.example\r\nBcc: all@acme.example', /space|more than one/],
  ['eve@acme.example, bob@acme.example', /one address only/],
  ['eve@acme.example;', /one address only/],
  ['Eve <eve@acme.example>', /space/],
  ['"eve smith"@acme.example', /quotation marks/],
  ['ève@acme.example', /letter è/],
  ['eve(work)@acme.example', /character \(/],
  ['eve\\@acme.example', /character \\/],
  ['eve@-acme.example', /not a domain/],
  ['eve@acme-.example', /not a domain/],
  ['eve@acme..example', /not a domain/],
  ['eve@.acme.example', /not a domain/],
  ['eve@acme.example.', /not a domain/],
  ['eve@acme_x.example', /not a domain/],
  ['eve@[192.0.2.1]', /not a domain/],
  ['eve@192.0.2.1', /not a domain/],
  [`${'a'.repeat(65)}@acme.example`, /longer than 64/],
  [`a@${'b'.repeat(64)}.example`, /not a domain/],
  [`${'a'.repeat(60)}@${`${'b'.repeat(60)}.`.repeat(3)}longer.example`, /longer than 254/],
  ['<'.repeat(1_000_000), /longer than 254/],
];

describe('an address', () => {
  for (const [pasted, email] of SAME_PERSON)
    test(`${JSON.stringify(pasted)} is ${email}`, () =>
      assert.deepEqual(normaliseEmail(pasted), { kind: 'email', email }));

  for (const [input, reason] of REFUSED)
    test(`${JSON.stringify(input.slice(0, 70))} is refused: ${reason}`, () => {
      const result = normaliseEmail(input);
      assert.equal(result.kind, 'invalid');
      assert.match(result.kind === 'invalid' ? result.reason : '', reason);
    });

  test('is its own normal form, ASCII, and safe in SMTP and in a header, whatever was pasted', () => {
    const nearMiss = fc.stringMatching(
      /^[<"' ]?[a-zA-Zü.+'"@,<> -]{1,12}@[a-zA-Zü0-9.-]{1,12}\.[a-z0-9]{1,4}[>"' ]?$/,
    );
    let accepted = 0;
    const isSafe = fc.property(
      fc.oneof(nearMiss, fc.emailAddress(), fc.string({ unit: 'binary' })),
      (input) => {
        const result = normaliseEmail(input);
        if (result.kind === 'invalid') return assert.notEqual(result.reason, '');
        accepted++;
        assert.match(result.email, /^[!-~]+@[a-z0-9.-]+$/);
        assert.doesNotMatch(result.email, /[\s<>"(),:;\\[\]A-Z]/);
        assert.ok(result.email.length <= 254);
        assert.deepEqual(normaliseEmail(result.email), result);
      },
    );
    fc.assert(isSafe, { numRuns: 5000 });
    assert.ok(accepted > 100, `only ${accepted} accepted`);
  });

  test('with spaces, angle brackets and other capitals is the same', () => {
    const same = fc.property(fc.emailAddress(), (email) => {
      const wrapped = ` <mailto:${email.toUpperCase()}> `;
      assert.deepEqual(normaliseEmail(wrapped), normaliseEmail(email));
    });
    fc.assert(same);
  });
});
