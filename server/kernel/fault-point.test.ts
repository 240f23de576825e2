import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { faultPoint } from './fault-point.ts';

const PROGRAM = `import { faultPoint } from ${JSON.stringify(join(import.meta.dirname, 'fault-point.ts'))};
for (const name of ['a', 'b', 'b', 'c']) faultPoint(name).then(() => console.log(name));
setTimeout(() => console.log('lives'), 50);`;

/** What a program says that comes to a, b, b and c, and how it ends. */
async function run(fault: string): Promise<[said: string, signal: string | null]> {
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', PROGRAM], {
    env: { ...process.env, CAMP_FAULT_POINT: fault },
  });
  let said = '';
  child.stdout.on('data', (text) => {
    said += text;
  });
  const [, signal] = await once(child, 'close');
  return [said, signal];
}

test('an armed process dies where it was told to, and at that moment', async () => {
  assert.deepEqual(await run('a'), ['', 'SIGKILL']);
});

test('with a count, those that come before wait there, and all others pass', async () => {
  assert.deepEqual(await run('b:2'), ['', 'SIGKILL']);
  assert.deepEqual(await run('b:3'), ['a\nc\nlives\n', null]);
});

test('without the variable a fault point is nothing', async () => {
  assert.equal(await faultPoint('a'), undefined);
  assert.deepEqual(await run(''), ['a\nb\nb\nc\nlives\n', null]);
});
