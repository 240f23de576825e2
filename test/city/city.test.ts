import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type City, cityRecipients, startCity } from './city.ts';
import { PROVIDERS } from './providers.ts';
import { RawClient } from './raw-client.ts';

let folder: string;
let city: City;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'camp-city-'));
  city = await startCity({ dir: folder, seed: 3 });
});
after(async () => {
  await city.stop();
  await rm(folder, { recursive: true });
});

test('the recipients are spread over the providers by their weights, each address once, and the same again', () => {
  const recipients = cityRecipients(city, 20_000);
  assert.equal(new Set(recipients).size, 20_000);
  assert.deepEqual(cityRecipients(city, 20_000), recipients);
  for (const { name, weight } of PROVIDERS) {
    const domains = city.domains
      .filter(({ provider }) => provider === name)
      .map(({ domain }) => `@${domain}`);
    const count = recipients.filter((one) => domains.some((domain) => one.endsWith(domain))).length;
    assert.ok(Math.abs(count - weight * 200) < 4 * Math.sqrt(weight * 200), `${name}: ${count}`);
  }
  for (const { domain } of city.domains)
    assert.ok(
      recipients.some((one) => one.endsWith(`@${domain}`)),
      domain,
    );
});

test('the city has at least eight providers, all on one port, each on an address of its own', async () => {
  assert.ok(PROVIDERS.length >= 8);
  const speaking = PROVIDERS.filter(({ name }) => name !== 'black-hole' && name !== 'tarpit');
  for (const { name, host } of speaking) {
    const at = PROVIDERS.findIndex((spec) => spec.name === name);
    const client = new RawClient({ host: `127.0.1.${at + 1}`, port: city.mxPort });
    assert.ok((await client.reply()).startsWith(`220 ${host} `), name);
    await client.quit();
  }
});

test('what recipients were accepted for is read from the ledger, in order and without gaps', async () => {
  const client = await RawClient.open({ host: '127.0.1.7', port: city.mxPort });
  for (const at of [1, 2, 1]) await client.send(`steady${at}@harbour.example`);
  await client.send('nobody-4@harbour.example');
  await client.quit();
  assert.deepEqual(
    await city.acceptedOf(),
    new Map([
      ['steady1@harbour.example', 2],
      ['steady2@harbour.example', 1],
    ]),
  );
});

test('a provider that does not exist, and a port that is taken, are said in one sentence', async () => {
  await assert.rejects(
    startCity({ dir: folder, providers: ['hotmale'] }),
    /^Error: The city has no provider hotmale; it has google, /,
  );
  await assert.rejects(city.control('hotmale', {}), /no provider hotmale/);
  await assert.rejects(startCity({ dir: folder, mxPort: city.mxPort }), /EADDRINUSE/);
});

test('the city ends when the process that started it is killed', async () => {
  const program = `import { startCity } from ${JSON.stringify(join(import.meta.dirname, 'city.ts'))};
    console.log((await startCity({ dir: ${JSON.stringify(folder)}, providers: ['google'] })).mxPort);`;
  const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', program]);
  const [port] = await once(parent.stdout, 'data');
  const witness = connect({ host: '127.0.1.1', port: Number(port) });
  await once(witness, 'connect');
  witness.resume();
  parent.kill('SIGKILL');
  await once(witness, 'close');
});
