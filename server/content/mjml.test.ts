import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mjmlToHtml } from './mjml.ts';
import { TemplateError } from './template-error.ts';

/** A document with these blocks in its only column; the blocks begin on line 3. */
function column(blocks: string): string {
  return `<mjml>\n<mj-body><mj-section><mj-column>\n${blocks}\n</mj-column></mj-section></mj-body>\n</mjml>\n`;
}

function errorOf(mjml: string): string {
  try {
    mjmlToHtml(mjml, 'news.mjml');
  } catch (error) {
    assert.ok(error instanceof TemplateError, String(error));
    return error.message;
  }
  return assert.fail('nothing was refused');
}

test('Liquid in texts and attributes comes out as it was written', () => {
  const html = mjmlToHtml(
    column(
      '<mj-text color="{{ colour | default: "red" }}">Hi {{ name | default: "a > b" }}{% if a < b && c %}!{% endif %}</mj-text>\n' +
        '<mj-button href="https://shop.example/?a=1&amp;b={{ id }}">{{ label }}</mj-button>\n' +
        '<mj-image src="https://img.example/{{ id }}.png" alt="{{ alt }}" />',
    ),
  );
  assert.ok(html.includes('color:{{ colour | default: "red" }};'));
  assert.ok(html.includes('>Hi {{ name | default: "a > b" }}{% if a < b && c %}!{% endif %}</div>'));
  assert.ok(html.includes('<a href="https://shop.example/?a=1&amp;b={{ id }}"'));
  assert.ok(html.includes('>{{ label }}</a>'));
  assert.ok(html.includes('alt="{{ alt }}"') && html.includes('src="https://img.example/{{ id }}.png"'));
});

test('a recipient loads nothing that the template does not name', () => {
  const addresses = (html: string) =>
    html.replaceAll(/xmlns(:\w+)?="[^"]*"/g, '').match(/https?:[^"')\s]+/g) ?? [];
  const blocks = column('<mj-text>a</mj-text><mj-button href="https://shop.example/">b</mj-button>');
  assert.deepEqual(addresses(mjmlToHtml(blocks)), ['https://shop.example/']);
  const font = '<mj-head><mj-font name="Inter" href="https://fonts.example/inter.css" /></mj-head>';
  const own = mjmlToHtml(
    blocks
      .replace('<mj-body>', `${font}<mj-body>`)
      .replace('<mj-text>', '<mj-text font-family="Inter, Arial">'),
  );
  assert.ok(own.includes('href="https://fonts.example/inter.css"'));
});

test('a condition between blocks keeps or drops the whole block', () => {
  const html = mjmlToHtml(
    column('{% if city %}\n<mj-text>In {{ city }}</mj-text>\n{% else %}<mj-text>Where?</mj-text>{% endif %}'),
  );
  assert.match(
    html,
    /<tbody>\s*\{% if city %\}\s*<tr>.*In \{\{ city \}\}.*<\/tr>\s*\{% else %\}<tr>.*Where\?.*<\/tr>\{% endif %\}\s*<\/tbody>/s,
  );
  const section = '<mj-section><mj-column><mj-text>x</mj-text></mj-column></mj-section>';
  const loop = mjmlToHtml(`<mjml><mj-body>{% for p in products %}${section}{% endfor %}</mj-body></mjml>`);
  assert.match(loop, /\{% for p in products %\}<!--\[if mso.*>x<.*<!\[endif\]-->\{% endfor %\}/s);
});

test('accents, emoji, backslashes and quotes in attributes reach the reader unchanged', () => {
  const alt = 'Caf\u00e9\u00a0👩‍👩‍👧 שלום e\u0301 \\ done';
  const html = mjmlToHtml(column(`<mj-image src="x.png" alt="${alt}" title='say "hi"\nthere' />`));
  assert.ok(html.includes(`alt="${alt}"`));
  assert.ok(html.includes('title="say &quot;hi&quot;\nthere"'));
});

test('the space between two words is kept when they stand in elements on lines of their own', () => {
  assert.ok(
    mjmlToHtml(column('<mj-text><b>Ann</b>\n  <i>Lee</i></mj-text>')).includes('<b>Ann</b>\n  <i>Lee</i>'),
  );
});

test('comments for other mail readers and the title are kept', () => {
  const html = mjmlToHtml(
    '<mjml lang="en"><mj-head><mj-title>Ünsere {{ x }}</mj-title></mj-head><mj-body><mj-raw><!--[if mso]><b>é {{ y }}</b><![endif]--></mj-raw></mj-body></mjml>',
  );
  assert.ok(html.includes('<title>Ünsere {{ x }}</title>') && html.includes('<html lang="en"'));
  assert.ok(html.includes('<!--[if mso]><b>é {{ y }}</b><![endif]-->'));
});

test('an include is refused, because a template is one file', () => {
  const message = errorOf(column('<mj-text>a</mj-text>\n<mj-include path="/etc/passwd" />'));
  assert.match(message, /^news\.mjml line 4: mj-include is not supported.*paste/);
});

test('an include that is commented out is no include', () => {
  assert.doesNotThrow(() => mjmlToHtml(column('<!-- <mj-include path="x" /> -->')));
});

test('an element that MJML does not know, or not in this place, is refused with its line', () => {
  const blocks = '<mj-text>a</mj-text>\n\n<mj-foto src="x" />';
  assert.match(errorOf(column(blocks)), /^news\.mjml line 5: <mj-foto> is not an element of MJML/);
  const misplaced = '<mj-text>{{ a }}\n\n</mj-text><mj-navbar-link href="x">a</mj-navbar-link>';
  assert.match(
    errorOf(column(misplaced)),
    /^news\.mjml line 5: <mj-navbar-link>.*not allowed where it stands/,
  );
  assert.doesNotThrow(() => mjmlToHtml(column('<!-- <mj-foto src="x" /> -->')));
});

test('Liquid in a place that MJML drops is refused with its line, not lost', () => {
  const message = errorOf(column('<mj-text>é</mj-text>\n<mj-image src="a.png" width="{{ w }}px" />'));
  assert.match(message, /^news\.mjml line 4: MJML does not keep \{\{ w \}\} here/);
});

test('MJML that is not well-formed is refused with the line in the file, also after Liquid of several lines', () => {
  const liquid = '{{ "a\nb"\n| upcase }}é';
  const cases = [
    [column(`<mj-text>${liquid}</mj-text>\n<mj-text>a < b</mj-text>`), 6, 'not well-formed'],
    [column(`<mj-text>${liquid}\n<img src=x></mj-text>`), 6, 'not well-formed'],
    [column(`<mj-text>${liquid}\n</b></mj-text>`), 6, '</b> ends the element <mj-text>'],
    [column(`<mj-text title="a > b">${liquid}\n<b>x</i><br></mj-text>`), 6, '</i> ends the element <b>'],
    [column('<mj-text>a</mj-text></b>'), 3, '</b> ends the element <mj-column>'],
    ['<mjml></mjml>\n</mjml>', 2, '</mjml> ends nothing'],
    [column('<mj-text>a</mj-text>\n<mj-social>{% if a %}</mj-social>'), 4, 'does not allow'],
    [`<mjml>\n<mj-head>\n{% if x %}</mj-head></mjml>`, 3, 'does not allow'],
    ['<mjml>\n<mj-body>\n<mj-section>\n', 3, '<mj-section> is not closed'],
    ['<html></html>', 1, 'does not allow'],
    ['', 1, 'begin with <mjml>'],
    [
      `<mjml><mj-head>\n\n<mj-style inline="inline">a{}</mj-style></mj-head></mjml>`,
      3,
      'inline="inline" is not supported',
    ],
  ] as const;
  for (const [mjml, line, problem] of cases) {
    const message = errorOf(mjml);
    assert.ok(message.startsWith(`news.mjml line ${line}: `) && message.includes(problem), message);
  }
});

test('line numbers count from the top of the file', () => {
  assert.throws(() => mjmlToHtml('\n<mj-x', 'a.mjml', 5), { line: 7, source: 'a.mjml' });
});
