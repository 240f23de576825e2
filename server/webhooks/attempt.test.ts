import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newId } from '../kernel/ids.ts';
import { Scope } from '../kernel/scope.ts';
import { Resolver } from '../smtp/dns.ts';
import { attempt } from './attempt.ts';
import { OwnNetworks } from './destination.ts';
import { newSecret } from './signature.ts';

class Talkative extends Resolver {
  override async addresses(): Promise<never> {
    throw new Error(`!${'🙂'.repeat(400)}`);
  }
}

test('what went wrong can be kept in JSON, wherever it was cut', async () => {
  await using scope = Scope.root('test');
  const post = {
    id: newId(),
    url: 'https://hooks.example/',
    secrets: [newSecret()],
    type: 'webhook.test',
    occurredAt: new Date(),
    data: {},
  };
  const network = { resolver: new Talkative({ servers: ['127.0.0.1:1'] }), own: new OwnNetworks([]) };
  const { error } = await attempt(scope, post, network);
  assert.equal(error, `!${'🙂'.repeat(149)}\uFFFD`);
});
