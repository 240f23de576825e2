import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alignedDomains, organizationalDomain, readDomain } from './domain-names.ts';

test('a sending domain is kept as mail systems compare it, however it was written', () => {
  for (const text of ['bücher.example', ' XN--BCHER-KVA.Example. ', 'Bücher.example'])
    assert.equal(readDomain(text), 'xn--bcher-kva.example');
});

test('what nobody can send as is refused, with a word about what to write', () => {
  for (const text of [
    '',
    'localhost',
    '192.0.2.1',
    'news@acme.example',
    'https://acme.example/',
    'a..example',
    '-a.example',
  ])
    assert.throws(() => readDomain(text), {
      name: 'DomainRefused',
      message: `"${text}" cannot be a sending domain: write what stands after the @ of the sender, such as news.example.com.`,
    });
  for (const text of ['co.uk', 'github.io'])
    assert.throws(() => readDomain(text), { message: /^"[a-z.]+" is a public suffix/ });
});

test('a domain is aligned with its parents as far as its organization goes, and no further', () => {
  assert.deepEqual(alignedDomains('a.news.acme.co.uk'), [
    'a.news.acme.co.uk',
    'news.acme.co.uk',
    'acme.co.uk',
  ]);
  assert.deepEqual(alignedDomains('acme.github.io'), ['acme.github.io']);
  assert.deepEqual(alignedDomains('localhost'), ['localhost']);
  assert.equal(organizationalDomain('a.acme.co.uk'), 'acme.co.uk');
});
