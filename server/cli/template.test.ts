import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { camp } from '../../test/support/command-line.ts';
import { EXIT } from './exit-codes.ts';

const EXAMPLES = join(import.meta.dirname, '../../examples');
const folder = await mkdtemp(join(tmpdir(), 'camp-template-'));
after(() => rm(folder, { recursive: true }));

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const ada = await file('ada.json', '{"email": "ada@example.com", "name": "Ada Łąka", "city": "Köln & Bonn"}');

function render(path: string, ...flags: string[]) {
  return camp(['template', 'render', path, '--data', ada, '--json', ...flags]);
}

async function complaint(path: string, ...flags: string[]): Promise<string> {
  const { code, json, stderr } = await render(path, ...flags);
  assert.equal(code, EXIT.usage);
  assert.equal(stderr, `${json.error}\n`);
  assert.equal(stderr.trimEnd().split('\n').length, 1);
  return stderr;
}

test('an MJML template is shown as a recipient reads it', async () => {
  const { code, json } = await render(join(EXAMPLES, 'welcome.mjml'));
  assert.equal(code, 0);
  assert.equal(json.subject, 'Ada, your first harvest is on its way');
  assert.match(String(json.html), /<b>Köln &amp; Bonn<\/b>/);
  assert.match(String(json.text), /Our van comes to Köln & Bonn every Thursday/);
  assert.match(String(json.text), /http:\/\/localhost:8080\/u\//);
});

test('an HTML template gets a text part and takes its subject from the title', async () => {
  const path = await file(
    'hello.html',
    '<title>For {{ name }}</title><p>In {{ city }}, <a href="https://e.example/">here</a>.</p>',
  );
  const { code, json } = await render(path);
  assert.equal(code, 0);
  assert.equal(json.subject, 'For Ada Łąka');
  assert.match(String(json.html), /<p>In Köln &amp; Bonn, /);
  assert.match(String(json.text), /In Köln & Bonn, here/);
});

test('a plain-text template has no HTML', async () => {
  const { code, json, stderr } = await render(join(EXAMPLES, 'plain.txt'));
  assert.equal(code, 0);
  assert.equal(json.html, null);
  assert.match(String(json.text), /^Hello Ada,\n\nour van is in Köln & Bonn on Thursday/);
  assert.ok(stderr.includes(String(json.text).trimEnd()), 'people see the same on standard error');
});

test('a file without a subject is refused, unless the command line gives one', async () => {
  const path = await file('bare.txt', 'Dear {{ first_name }},\nhello.\n');
  assert.match(await complaint(path), /^bare\.txt line 1: there is no subject/);
  const { code, json } = await render(path, '--subject', 'To {{ first_name }}');
  assert.equal(code, 0);
  assert.deepEqual(json, { subject: 'To Ada', html: null, text: 'Dear Ada,\nhello.\n' });
});

test('a field that the data lack is named with its line', async () => {
  const path = await file('field.txt', '---\nsubject: Hello\n---\nDear {{ name }},\nyou like {{ fruit }}.\n');
  assert.match(await complaint(path), /^field\.txt line 5: the data have no "fruit"/);
});

test('who gave no data is told how to give some', async () => {
  const path = await file('dataless.txt', '---\nsubject: Hello\n---\nYou like {{ fruit }}.\n');
  const { code, stderr } = await camp(['template', 'render', path]);
  assert.equal(code, EXIT.usage);
  assert.match(stderr, /have no "fruit"; give it with --data FILE\.json, or/);
});

test('what a template may not do is said in one sentence', async () => {
  const start = '---\nsubject: Hello\n---\n';
  const cases: [name: string, content: string, said: RegExp][] = [
    [
      'loop.txt',
      `${start}{% for i in (1..1000000000) %}x{% endfor %}`,
      /^loop\.txt: the loops of the template run more than/,
    ],
    [
      'include.txt',
      `${start}{% include "/etc/passwd" %}`,
      /^include\.txt line 4: "include" reads other files/,
    ],
    [
      'include.mjml',
      `${start}<mjml><mj-body><mj-include path="/etc/passwd"/></mj-body></mjml>`,
      /^include\.mjml line 4: mj-include/,
    ],
    [
      'front.txt',
      '---\nsubject: Hello\nand then text',
      /^front\.txt line 1: the settings that "---" begins are not ended/,
    ],
    ['filter.txt', `${start}{{ name | shout }}`, /^filter\.txt line 4: .*shout/],
  ];
  for (const [name, content, said] of cases) assert.match(await complaint(await file(name, content)), said);
});

test('data that are no JSON object, or not there, are named', async () => {
  const template = join(EXAMPLES, 'plain.txt');
  const cases: [data: string, said: RegExp][] = [
    [await file('list.json', '[1]'), /list\.json must hold one JSON object/],
    [await file('broken.json', '{"email": '), /broken\.json is not JSON/],
    [join(folder, 'none.json'), /There is no file .*none\.json/],
  ];
  for (const [data, said] of cases) {
    const { code, stderr } = await camp(['template', 'render', template, '--data', data]);
    assert.equal(code, EXIT.usage);
    assert.match(stderr, said);
  }
});
