import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseStsPolicy, StsPolicyError, stsIdOf, stsNames } from './mta-sts-policy.ts';

const records: readonly [texts: string[], id: string | null][] = [
  [['v=STSv1; id=20160831085700Z;'], '20160831085700Z'],
  [['v=STSv1;id=a'], 'a'],
  [['v=STSv1 ; ext=1;id=Ab9 ;more=2'], 'Ab9'],
  [['v=spf1 -all', 'v=STSv1; id=1;', 'v=STSv1x; id=2'], '1'],
  [['v=STSv1; id=1;', 'v=STSv1; id=2;'], null],
  [['v=STSv1; xid=1;'], null],
  [['v=STSv1; id=a-b;'], null],
  [[`v=STSv1; id=${'9'.repeat(33)};`], null],
  [['V=stsv1; id=1;'], null],
  [['id=1; v=STSv1;'], null],
  [[], null],
];
for (const [texts, id] of records)
  test(`${JSON.stringify(texts)} announces ${id === null ? 'no policy' : `policy ${id}`}`, () =>
    assert.equal(stsIdOf(texts), id));

test('a policy is read as RFC 8461 writes it', () => {
  const text = 'version: STSv1\nmode: enforce\nmx: Mail.Example.com\nmx: *.example.net\nmax_age: 604800\n';
  const policy = { mode: 'enforce', mx: ['mail.example.com', '*.example.net'], maxAgeSeconds: 604_800 };
  assert.deepEqual(parseStsPolicy(text), policy);
  assert.deepEqual(parseStsPolicy(text.replaceAll('\n', '\r\n')), policy);
  assert.deepEqual(parseStsPolicy(`${text}new_field: is fine\nmode: none\nmax_age: 1\n\n`), policy);
  assert.deepEqual(parseStsPolicy('mode:none\nmax_age:  999999999  \nversion:STSv1'), {
    mode: 'none',
    mx: [],
    maxAgeSeconds: 31_557_600,
  });
});

const whole = ['version: STSv1', 'mode: testing', 'mx: a.example', 'max_age: 86400'];
const faulty: readonly [lines: string[], fault: RegExp][] = [
  [whole.slice(1), /version/],
  [['version: STSv2', ...whole.slice(1)], /version/],
  [whole.toSpliced(1, 1), /mode/],
  [whole.toSpliced(1, 1, 'mode: Enforce'), /mode/],
  [whole.toSpliced(2, 1), /no mx/],
  [whole.toSpliced(2, 1, 'mx: a.*.example'), /"a\.\*\.example" is no host name/],
  [whole.toSpliced(2, 1, 'mx: *'), /"\*" is no host name/],
  [whole.toSpliced(2, 1, 'mx: a..example'), /no host name/],
  [whole.toSpliced(3, 1), /max_age/],
  [whole.toSpliced(3, 1, 'max_age: -1'), /max_age/],
  [whole.toSpliced(3, 1, 'max_age: 12345678901'), /max_age/],
  [[...whole, '<html>'], /"<html>"/],
  [[...whole.slice(0, 2), '', ...whole.slice(2)], /""/],
  [[''], /""/],
];
for (const [lines, fault] of faulty)
  test(`a policy of ${JSON.stringify(lines)} is none`, () =>
    assert.throws(
      () => parseStsPolicy(lines.join('\n')),
      (error) => error instanceof StsPolicyError && fault.test(error.message),
    ));

test('a pattern names a host, or every host that has one label more', () => {
  const policy = { mode: 'enforce', mx: ['mx.example.com', '*.example.net'], maxAgeSeconds: 1 } as const;
  const named = ['mx.example.com', 'a.example.net', 'b-2.example.net'];
  const strangers = [
    'example.net',
    'a.b.example.net',
    'x.mx.example.com',
    'example.com',
    'aexample.net',
    'net',
  ];
  assert.deepEqual(
    [...named, ...strangers].filter((host) => stsNames(policy, host)),
    named,
  );
  assert.equal(stsNames({ ...policy, mx: ['*.net'] }, 'net'), false);
});
