import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from './network.ts';
import { isPublicAddress } from './public-address.ts';
import { Scope } from './scope.ts';

const PUBLIC =
  '1.1.1.1 8.8.8.8 172.15.255.255 172.32.0.1 100.63.255.255 100.128.0.1 223.255.255.255 2606:4700::1111';
const NOT_PUBLIC = `0.0.0.0 10.0.0.1 127.0.0.1 127.255.255.254 100.64.0.1 169.254.169.254 172.16.0.1 172.31.255.255
  192.0.0.1 192.168.1.1 198.18.0.1 203.0.113.9 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255
  :: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:a00:1 ::8.8.8.8 64:ff9b::808:808 64:ff9b:1::1 100::1 fc00::1 fd12::1
  fe80::1 fe80::1%eth0 fec0::1 ff02::1 2001::1 2001:db8::1 2002:7f00:1::1 3fff::1 localhost 1.1.1 0x7f000001 01.1.1.1`;

test('an address that is not given out to anybody on the internet is not public, however it is written', () => {
  for (const address of PUBLIC.split(/\s+/)) assert.equal(isPublicAddress(address), true, address);
  for (const address of NOT_PUBLIC.split(/\s+/)) assert.equal(isPublicAddress(address), false, address);
});

test('who may only reach the public internet connects to nothing else, by address or by name', async () => {
  await using scope = Scope.root('test');
  for (const host of [
    '127.0.0.1',
    '::1',
    '::ffff:127.0.0.1',
    '10.0.0.1',
    'localhost',
    '0x7f.1',
    '2130706433',
  ])
    await assert.rejects(
      connect(scope, { host, port: 25, connectMs: 5_000, publicOnly: true }),
      ({ code }: NodeJS.ErrnoException) =>
        code === 'ENOTPUBLIC' || code === 'ENOTFOUND' || code === 'EAI_AGAIN',
      host,
    );
});
