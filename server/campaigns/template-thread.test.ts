import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { Scope, ScopeEnded } from '../kernel/scope.ts';
import { TemplateThread } from './template-thread.ts';
import type { TemplateTask } from './template-work.ts';

const TASK_MS = 300;
/** What an endless template may keep from the others. */
const LATE_MS_MAX = 2_000;

const scope = Scope.root('test');
const mine = { workspaceId: 'mine', scope };
const thread = new TemplateThread({ taskMs: TASK_MS });
after(() => {
  thread.stop();
  scope.cancel();
});

function check(templateBody: string) {
  const content = {
    templateName: 'test.mjml',
    templateBody: `---\nsubject: Hi\n---\n${templateBody}`,
    fromName: null,
    fromEmail: 'news@camp.example',
    replyTo: null,
    postalAddress: null,
  };
  return { kind: 'check', content } as const satisfies TemplateTask;
}

const FINE = check('<mjml><mj-body></mj-body></mjml>');
/** Each of these begins an element that is looked for to the end of the text. */
const ENDLESS = check(`<mjml>${'<mj-text>'.repeat(100_000)}`);

test('a template that takes too long is refused, the server goes on meanwhile, and the next one is done', async () => {
  let isDone = false;
  let beats = 0;
  const heart = setInterval(() => {
    if (!isDone) beats++;
  }, TASK_MS / 10);
  const endless = thread.do(ENDLESS, mine).finally(() => {
    isDone = true;
  });
  const next = thread.do(FINE, mine);
  const refused = await endless;
  clearInterval(heart);
  assert.ok(refused.kind === 'refused');
  assert.match(refused.sentence, /takes too long/);
  assert.ok(beats >= 2, `${beats} beats`);
  assert.deepEqual(await next, { kind: 'fine', templateKind: 'mjml' });
});

test('who leaves takes their template with them, and nobody else waits for it', async () => {
  await thread.do(FINE, mine);
  const patient = new TemplateThread({ taskMs: 60_000 });
  const leaving = scope.child('leaving');
  const left = patient.do(ENDLESS, { ...mine, scope: leaving });
  const next = patient.do(FINE, {
    ...mine,
    scope: scope.child('next', { deadlineMs: LATE_MS_MAX * 5 }),
  });
  leaving.cancel('gone');
  await assert.rejects(left, ScopeEnded);
  assert.deepEqual(await next, { kind: 'fine', templateKind: 'mjml' });
  patient.stop();
});

/** Gives the thread as soon as there is one. */
function nextWorker(): Promise<Worker> {
  return new Promise((resolve) => process.once('worker', resolve));
}

test('a thread that dies while it has nothing to do ends nothing, and the next task gets another one', async () => {
  const lonely = new TemplateThread();
  const started = nextWorker();
  await lonely.do(FINE, mine);
  const worker = await started;
  const died = new Promise((resolve) => worker.once('exit', resolve));
  worker.postMessage({ kind: 'no task at all' });
  await died;
  assert.deepEqual(await lonely.do(FINE, mine), { kind: 'fine', templateKind: 'mjml' });
  lonely.stop();
});

test('who leaves while the thread is being started is told so, and the next one finds it ready', async () => {
  const young = new TemplateThread();
  const leaving = scope.child('leaving');
  const left = young.do(FINE, { ...mine, scope: leaving });
  await nextWorker();
  leaving.cancel('gone');
  await assert.rejects(left, ScopeEnded);
  assert.deepEqual(await young.do(FINE, mine), { kind: 'fine', templateKind: 'mjml' });
  young.stop();
});

test('the time that a task has begins when the thread is ready', async () => {
  const young = new TemplateThread();
  const timersAtRest = timers();
  const done = young.do(FINE, mine);
  const worker = await nextWorker();
  const timersWhenReady = new Promise((resolve) => worker.once('message', () => resolve(timers())));
  assert.equal(await timersWhenReady, timersAtRest);
  await done;
  young.stop();
});

function timers(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
}

test('a workspace with many templates lets every other one have its turn', async () => {
  const done: string[] = [];
  const tasks = ['many', 'many', 'many', 'one', 'two'].map(async (workspaceId) => {
    await thread.do(FINE, { workspaceId, scope });
    done.push(workspaceId);
  });
  await Promise.all(tasks);
  assert.deepEqual(done, ['many', 'many', 'one', 'two', 'many']);
});
