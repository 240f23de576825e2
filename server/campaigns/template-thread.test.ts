import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Scope, ScopeEnded } from '../kernel/scope.ts';
import { TemplateThread } from './template-thread.ts';
import type { TemplateTask } from './template-work.ts';

const TASK_MS = 300;
/** What an endless template may keep from the others. */
const LATE_MS_MAX = 2_000;

const scope = Scope.root('test');
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
  const endless = thread.do(ENDLESS, scope).finally(() => {
    isDone = true;
  });
  const next = thread.do(FINE, scope);
  const refused = await endless;
  clearInterval(heart);
  assert.ok(refused.kind === 'refused');
  assert.match(refused.sentence, /takes too long/);
  assert.ok(beats >= 2, `${beats} beats`);
  assert.deepEqual(await next, { kind: 'fine', templateKind: 'mjml' });
});

test('who leaves takes their template with them, and nobody else waits for it', async () => {
  await thread.do(FINE, scope);
  const patient = new TemplateThread({ taskMs: 60_000 });
  const leaving = scope.child('leaving');
  const left = patient.do(ENDLESS, leaving);
  const next = patient.do(FINE, scope.child('next', { deadlineMs: LATE_MS_MAX * 5 }));
  leaving.cancel('gone');
  await assert.rejects(left, ScopeEnded);
  assert.deepEqual(await next, { kind: 'fine', templateKind: 'mjml' });
  patient.stop();
});
