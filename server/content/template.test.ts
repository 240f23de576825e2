import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { recipientData } from './message.ts';
import { compileTemplate, loadTemplate } from './template.ts';

const mjml = `---
subject: Hi {{ first_name | default: "you" }}
preheader: News & more for {{ city }}
---

<mjml><mj-body><mj-section><mj-column>
<mj-text>{{ product.name }} in {{ city }}</mj-text>
</mj-column></mj-section></mj-body></mjml>
`;

function compile(file: string, content: string, text?: string) {
  return compileTemplate(loadTemplate(file, content, text));
}

test('a template shows what a recipient gets: subject, HTML with values escaped, and text', () => {
  const template = compile('a.mjml', mjml);
  const { subject, html, text } = template.render({
    first_name: 'Zoë',
    city: 'A<B>&C',
    product: { name: 'Kale' },
  });
  assert.equal(subject, 'Hi Zoë');
  assert.match(
    html ?? '',
    /<body[^>]*><div style="display:none[^"]*">News &amp; more for A&lt;B&gt;&amp;C<\/div>/,
  );
  assert.match(html ?? '', />Kale in A&lt;B&gt;&amp;C<\/div>/);
  assert.equal(text, 'Kale in A<B>&C\n');
});

test('merge fields name the line of the file in which they stand', () => {
  const fields = compile('a.mjml', mjml).fields.map(({ file, path, line, optional }) => ({
    file,
    path,
    line,
    optional,
  }));
  assert.deepEqual(fields, [
    { file: 'a.mjml', path: 'first_name', line: 2, optional: true },
    { file: 'a.mjml', path: 'city', line: 3, optional: false },
    { file: 'a.mjml', path: 'product.name', line: 7, optional: false },
  ]);
});

test('a field that the data do not have is reported with its line, unless the template copes without it', () => {
  const template = compile('a.mjml', mjml);
  const missing = (data: Record<string, unknown>) =>
    template.missingFields(data).map(({ path, line }) => [path, line]);
  assert.deepEqual(missing({}), [
    ['city', 3],
    ['product.name', 7],
  ]);
  assert.deepEqual(missing({ city: '', product: { name: null } }), [['product.name', 7]]);
  assert.deepEqual(missing({ city: 'x', product: { name: 'y' } }), []);
  assert.deepEqual(
    compile('t.txt', '---\nsubject: s\n---\n{{ constructor.name }}').missingFields({}).length,
    1,
  );
});

test('a field that is optional in one place and needed in another is needed', () => {
  const template = compile('t.txt', '---\nsubject: "{{ city | default: \'x\' }}"\n---\n{{ city }}');
  assert.deepEqual(
    template.fields.map(({ line, optional }) => [line, optional]),
    [[4, false]],
  );
});

test('the kind comes from the extension, and from the content when there is none', () => {
  const kinds = [
    ['a.mjml', '', 'mjml'],
    ['a.HTML', 'text', 'html'],
    ['a.htm', '', 'html'],
    ['a.txt', '<p>', 'text'],
    ['stdin', '\n <mjml>', 'mjml'],
    ['stdin', '<!doctype html>', 'html'],
    ['stdin', '---\nsubject: x\n---\n<p>', 'html'],
    ['stdin', 'Hello <b>', 'text'],
    ['v1.2', '{{ a }}', 'text'],
  ];
  for (const [file = '', content = '', kind] of kinds)
    assert.equal(loadTemplate(file, content).kind, kind, file + content);
});

test('a plain-text template has no HTML', () => {
  const { subject, html, text } = compile('t.txt', '---\r\nsubject: s\r\n---\r\nHi {{ a }} & <b>\r\n').render(
    { a: '<x>' },
  );
  assert.deepEqual({ subject, html, text }, { subject: 's', html: null, text: 'Hi <x> & <b>\n' });
});

test("the author's own text part is used instead of one made from the HTML", () => {
  const template = compile('t.html', '<title>T</title><p>HTML</p>', 'My own {{ x }}');
  assert.equal(template.render({ x: 'text' }).text, 'My own text');
  assert.deepEqual(template.fields, [{ file: 't.html (text)', path: 'x', line: 1, optional: false }]);
});

test('without a subject line the title is the subject', () => {
  assert.equal(
    compile('t.html', '<title>Fish &amp; {{ x }}</title>').render({ x: '<Chips>' }).subject,
    'Fish & <Chips>',
  );
  const titled = '<mjml><mj-head><mj-title>Zoë &amp; {{ x }}</mj-title></mj-head><mj-body></mj-body></mjml>';
  assert.equal(compile('t.mjml', titled).render({ x: 1 }).subject, 'Zoë & 1');
});

test('a subject shows no line break, whatever the data hold', () => {
  assert.equal(
    compile('t.txt', '---\nsubject: a{{ x }}\n---\nb').render({ x: '\r\nBcc: y \n' }).subject,
    'a  Bcc: y',
  );
});

test('a subject may be quoted and may hold colons', () => {
  const subjects = [
    ['a: b', 'a: b'],
    ['"quoted: b"', 'quoted: b'],
    ["'single'", 'single'],
    ['"{{ x }}" and "y"', '"{{ x }}" and "y"'],
    ['"half', '"half'],
  ];
  for (const [line, value] of subjects) {
    assert.equal(loadTemplate('t.txt', `---\nsubject: ${line}\n---\n`).settings.subject?.value, value);
  }
});

test('a preheader is put where the body begins, also without a body element', () => {
  const inside = (html: string) =>
    compile('t.html', `---\nsubject: s\npreheader: P\n---\n${html}`).render({}).html;
  assert.match(
    inside('<!doctype html><html><head></head><body class="a">x') ?? '',
    /<body class="a"><div [^>]*>P<\/div>x$/,
  );
  assert.match(inside('<!doctype html><p>x') ?? '', /^<!doctype html><div [^>]*>P<\/div><p>x$/);
  assert.match(inside('<p>x') ?? '', /^<div [^>]*>P<\/div><p>x$/);
});

test('what is wrong with a template is said in a sentence with its file and line', () => {
  const wrong = [
    ['t.txt', 'Hello', 't.txt line 1: there is no subject'],
    ['t.html', '<title> </title>', 't.html line 1: there is no subject'],
    ['t.txt', '---\nsubject: s\nHello', 't.txt line 1: the settings that "---" begins are not ended'],
    ['t.txt', '---\nsubject: s\n\ntopic: x\n---\n', 't.txt line 4: "topic: x" is not a setting'],
    ['t.txt', '---\nsubject\n---\n', 't.txt line 2: "subject" is not a setting'],
    ['t.txt', '---\nsubject: s\n---\n\n{{ a', 't.txt line 5: '],
    ['t.txt', '---\nname: n\nsubject: {% if %}\n---\n', 't.txt line 3: '],
    ['t.html', '---\nsubject: s\npreheader: {{ a | nofilter }}\n---\n', 't.html line 3: '],
    [
      't.mjml',
      '---\nsubject: s\n---\n<mjml>\n<mj-body><mj-include path="x" /></mj-body></mjml>',
      't.mjml line 5: mj-include',
    ],
    ['t.txt', '---\nsubject: s\n---\na\nb\u0001', 't.txt line 5: there is a control character (0x01)'],
  ];
  for (const [file = '', content = '', message = ''] of wrong) {
    assert.throws(
      () => compile(file, content),
      (error) =>
        error instanceof Error && error.name === 'TemplateError' && error.message.startsWith(message),
      message,
    );
  }
});

test('the shipped examples render for a contact with and without attributes', () => {
  for (const file of ['welcome.mjml', 'plain.txt']) {
    const template = compile(file, readFileSync(new URL(`../../examples/${file}`, import.meta.url), 'utf8'));
    const full = { email: 'ann@example.com', name: 'Ann Lee', attributes: { city: 'Oslo' } };
    const bare = { email: 'ann@example.com', name: null, attributes: {} };
    const data = recipientData(full, 'https://track.example/u/x');
    assert.deepEqual(template.missingFields(data), []);
    assert.deepEqual(template.missingFields(recipientData(bare, 'https://track.example/u/x')), []);
    const shown = template.render(data);
    assert.match(shown.subject, /^Ann, your /);
    assert.match(shown.text, /Oslo.*https:\/\/greenmill\.example\/.*https:\/\/track\.example\/u\/x/s);
    assert.match(template.render(recipientData(bare, 'u')).subject, /^Hello, your /);
    assert.doesNotMatch(template.render(recipientData(bare, 'u')).text, /undefined|null|\{\{|Oslo/);
  }
});
