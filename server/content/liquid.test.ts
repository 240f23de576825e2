/** What an author meets: merge fields, refusals that name the place, limits, and what the MIME writer relies on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLiquid } from './liquid.ts';
import { RenderLimit, TemplateError } from './template-error.ts';

function fieldsOf(source: string): string[] {
  return parseLiquid(source).fields.map(({ path, optional }) => (optional ? `${path}?` : path));
}

test('merge fields are listed once each, with the line of their first use', () => {
  assert.deepEqual(
    parseLiquid('Hi {{ contact.first_name }}\n{{ contact.city }} {{ contact.first_name }}').fields,
    [
      { path: 'contact.first_name', line: 1, optional: false },
      { path: 'contact.city', line: 2, optional: false },
    ],
  );
});

const FIELDS: [source: string, fields: string[]][] = [
  ['{{ a.b | default: "x" }}', ['a.b?']],
  ['{{ a.b | upcase | default: c.d }}', ['a.b?', 'c.d']],
  ['{% if a.b %}yes{% endif %}', ['a.b?']],
  ['{% if a.b == c %}{{ a.b }}{% else %}{{ d }}{% endif %}', ['a.b?', 'c?', 'd']],
  ['{% if a %}{{ b }}{% elsif b %}{{ b }}{% endif %}', ['a?', 'b']],
  ['{{ a }}{% if a %}{{ a }}{% endif %}', ['a']],
  ['{% unless a %}{% case b %}{% when c %}{{ b }}{% endcase %}{% endunless %}', ['a?', 'b?', 'c?']],
  ['{{ a["first name"].b[0].c }}{{ a[key].b }}', ['a.first name.b', 'key', 'a']],
  [
    '{% for o in orders limit: n %}{{ o.id }}{{ forloop.index }}{{ x }}{% endfor %}{{ o }}',
    ['orders', 'n', 'x', 'o'],
  ],
  ['{% assign x = a | append: b %}{{ x }}{% capture y %}{{ c }}{% endcapture %}{{ y }}', ['a', 'b', 'c']],
  ['{{ x }}{% assign x = 1 %}{{ x }}{% assign n = n | default: 1 %}', ['x', 'n?']],
  [
    '{% for i in (1..m) %}{% endfor %}{{ -1 }}{{ nil }}{% raw %}{{ r }}{% endraw %}{% comment %}{{ z }}{% endcomment %}',
    ['m'],
  ],
];

test('a field that the template copes without is optional; names that it sets itself are not fields', () => {
  for (const [source, fields] of FIELDS) assert.deepEqual(fieldsOf(source), fields, source);
});

test('a template is constant when no recipient can change it', () => {
  assert.ok(parseLiquid('a {% comment %}b{% endcomment %}{% raw %}{{ c }}{% endraw %}').constant);
  assert.ok(!parseLiquid('a {{ "b" }}').constant);
});

const REFUSED: [source: string, line: number, column: number, problem: string][] = [
  ['a\n  {{ x | upcasee }}', 2, 10, 'the filter "upcasee" is not known; did you mean "upcase"?'],
  ['{% iff x %}{% endif %}', 1, 1, 'the tag "iff" is not known; did you mean "if"?'],
  [
    'x\n\n{% include "secret.txt" %}',
    3,
    1,
    '"include" reads other files, which a mail cannot; paste the content here instead',
  ],
  [
    '{% render "a" %}',
    1,
    1,
    '"render" reads other files, which a mail cannot; paste the content here instead',
  ],
  [
    '{% layout "a" %}',
    1,
    1,
    '"layout" reads other files, which a mail cannot; paste the content here instead',
  ],
  ['{% if x %}\nb', 1, 1, '"if" is not closed; add "{% endif %}"'],
  [
    '{% if x %}{% for y in z %}{% endif %}',
    1,
    27,
    '"endif" comes while "for" is open; put "{% endfor %}" before it',
  ],
  ['{{ x', 1, 1, 'a "{{" is not closed; put "}}" after its value (and close its quotes)'],
  ['{% if x', 1, 1, 'a "{%" is not closed; put "%}" after its tag'],
  ['{{ }}', 1, 4, 'a value is missing; write for example contact.first_name'],
  ['{{ a b }}', 1, 6, '"b" is not understood here; remove it or quote it'],
  ['{{ x | append }}', 1, 8, 'the filter "append" takes 1 argument, not 0; write them after ":"'],
  [
    '{{ x | truncate: n }}',
    1,
    8,
    'the filter "truncate" takes a number that is written in the template; write for example ": 20"',
  ],
  [
    '{{ x | where: n }}',
    1,
    8,
    'the filter "where" takes the name of a property in quotes; write for example: "status"',
  ],
  [
    '{% if a <> b %}{% endif %}',
    1,
    10,
    'a value is expected before "> b"; write a name such as contact.first_name',
  ],
  ['{% endif %}', 1, 1, '"endif" has no "if" before it; add one or remove it'],
  ['{% break %}', 1, 1, '"break" is outside of a loop; put it between "for" and "endfor"'],
  ['{% for x of y %}{% endfor %}', 1, 10, '"in" is missing; write for example "{% for item in items %}"'],
  ['{% for x in y limit 3 %}{% endfor %}', 1, 21, '":" is missing; write for example "limit: 3"'],
  ['{% assign x 1 %}', 1, 13, '"=" is missing; write for example "{% assign x = 1 %}"'],
  ['{% assign nil = 1 %}', 1, 11, '"nil" cannot be the name of a variable; use letters, digits and "_"'],
  [
    '{% if a %}{% else %}{% elsif b %}{% endif %}',
    1,
    21,
    '"elsif" comes after "else"; make "else" the last part',
  ],
  ['{{ "a }}', 1, 1, 'a "{{" is not closed; put "}}" after its value (and close its quotes)'],
  ['{% raw %}{{ x }}', 1, 1, '"raw" is not closed; add "{% endraw %}" (without a dash before "endraw")'],
];

test('what is not understood is refused with its line, its column and what to do', () => {
  for (const [source, line, column, problem] of REFUSED) {
    assert.throws(
      () => parseLiquid(source, { name: 'welcome.mjml', lineOffset: 10 }),
      (error) => {
        assert.ok(error instanceof TemplateError);
        assert.equal(error.message, `welcome.mjml line ${line + 10}: ${problem}`);
        assert.deepEqual(
          [error.source, error.line, error.column],
          ['welcome.mjml', line + 10, column],
          source,
        );
        return true;
      },
    );
  }
});

const ALSO_REFUSED = [
  '{% cycle "a", "b" %}',
  '{% increment x %}',
  '{% tablerow x in y %}{% endtablerow %}',
  '{% echo x %}',
  '{% liquid assign x = 1 %}',
  '{{ forloop.parentloop.index }}{% for x in y %}{{ forloop.parentloop.index }}{% endfor %}',
  '{% for x in y %}{{ forloop }}{% endfor %}',
  '{% for x in y offset: continue %}{% endfor %}',
  '{% for x in y limit:1 limit:2 %}{% endfor %}',
  '{{ (1..3).size }}',
  '{{ "\\u0041" }}',
  '{{ a[(1..2)] }}',
  '{{ ["a"] }}',
  '{{ x | }}',
  '{{ x | default: 1, foo: 2 }}',
  '{% else %}',
  '{%}',
  '{% %}',
  '{% case x %}{% else %}{% when 1 %}{% endcase %}',
  '{% if x %}{% else y %}{% endif %}',
];

test('what liquidjs knows and Camp does not have is refused, never half understood', () => {
  for (const source of ALSO_REFUSED) assert.throws(() => parseLiquid(source), TemplateError, source);
});

test('a template that is nested without end is refused', () => {
  const deep = '{% if a %}'.repeat(5000) + '{% endif %}'.repeat(5000);
  assert.throws(() => parseLiquid(deep), /tags are nested more than 50 deep/);
  assert.throws(() => parseLiquid(`{{ ${'a['.repeat(100_000)} }}`), /a value is too complex/);
  assert.throws(
    () => parseLiquid(`{% if ${'a and '.repeat(100_000)} a %}{% endif %}`),
    /a value is too complex/,
  );
  assert.throws(() => parseLiquid('x'.repeat(2_000_001)), /a template has at most 2000000/);
});

const BOMBS: Record<string, string> = {
  'an endless loop': '{% for i in (1..1000000000) %}x{% endfor %}',
  'loops in loops': '{% for i in (1..1000) %}{% for j in (1..1000) %}{% endfor %}{% endfor %}',
  'a long body in a loop': `{% for i in (1..90000) %}${'{% assign x = 1 %}'.repeat(500)}{% endfor %}`,
  'a filter that reads much and makes little':
    '{% for i in (1..90000) %}{{ big | split: "zz" | size }}{% endfor %}',
  'a filter that reads little and makes much':
    '{% assign x = (1..90000) %}{% for i in (1..90000) %}{% assign y = none | concat: x %}{% endfor %}',
  'lists that are never looped over': '{% for i in (1..9000) %}{% assign x = (1..90000) %}{% endfor %}',
  'a range to infinity': '{% assign n = 1 | divided_by: 0 %}{{ (1..n) }}',
  'a range that counts in place':
    '{% assign n = "9007199254740992" %}{% assign m = "9007199254740994" %}{{ (n..m) }}',
  'a text that doubles':
    '{% assign x = "ab" %}{% for i in (1..60) %}{% assign x = x | append: x %}{% endfor %}',
  'a list that doubles':
    '{% assign x = (1..9) %}{% for i in (1..60) %}{% assign x = x | concat: x %}{% endfor %}',
  'a replacement that squares': '{% assign x = big | replace: "a", big %}',
  'a list of long texts':
    '{% assign x = big | split: "-" %}{% for i in (1..14) %}{% assign x = x | concat: x %}{% endfor %}{{ x | join }}',
  'a list of long texts, printed':
    '{% assign x = big | split: "-" %}{% for i in (1..14) %}{% assign x = x | concat: x %}{% endfor %}{{ x }}',
  'a list of long texts, as JSON':
    '{% assign x = big | split: "-" %}{% for i in (1..14) %}{% assign x = x | concat: x %}{% endfor %}{{ x | json }}',
  'a list of long texts, sorted':
    '{% assign x = big | split: "-" %}{% for i in (1..14) %}{% assign x = x | concat: x %}{% endfor %}{{ x | sort | size }}',
  'long texts compared again and again':
    '{% for i in (1..90000) %}{% if big == copy %}{% endif %}{% endfor %}',
  'long texts searched again and again':
    '{% for i in (1..90000) %}{% if big contains "b" %}{% endif %}{% endfor %}',
  'a wide date': '{{ "now" | date: "%999999999Y" }}',
  'more text than a mail': '{% for i in (1..90000) %}{{ "0123456789" }}0123456789{% endfor %}',
  'captures in captures':
    '{% capture x %}y{% endcapture %}{% for i in (1..60) %}{% capture x %}{{ x }}{{ x }}{% endcapture %}{% endfor %}',
};

test('a template that would never end, or fill the memory, ends with one sentence', () => {
  const big = 'a'.repeat(100_000);
  for (const [name, source] of Object.entries(BOMBS)) {
    const render = parseLiquid(source).compile();
    assert.throws(() => render({ big, copy: `${big.slice(1)}a` }), RenderLimit, name);
  }
});

test('the sentence about a limit says which and what to do', () => {
  const render = parseLiquid('{% for i in (1..1000000000) %}{% endfor %}').compile();
  assert.throws(() => render({}), {
    message: 'the loops of the template run more than 100000 times; use a smaller range or a limit',
  });
  const short = parseLiquid('{{ a }}{% for i in (1..3) %}{% endfor %}').compile({
    outputCharsMax: 5,
    loopStepsMax: 3,
  });
  assert.equal(short({ a: '12345' }), '12345');
  assert.throws(() => short({ a: '123456' }), {
    message: 'the template prints more than 5 characters for one recipient; make it shorter',
  });
});

test('a limit that one recipient reached does not touch the next', () => {
  const render = parseLiquid('{% for x in list %}{{ x }}{% endfor %}').compile({ loopStepsMax: 2 });
  assert.throws(() => render({ list: [1, 2, 3] }), RenderLimit);
  assert.equal(render({ list: [4, 5] }), '45');
});

test('data cannot reach what is not their own, nor break a render', () => {
  const source =
    '{{ a.constructor.name }}{{ a.__proto__ }}{{ a["toString"] }}{{ __proto__ }}{{ hasOwnProperty }}{{ a }}';
  const data = { a: JSON.parse('{"x": {"toString": 1, "valueOf": null}}') };
  assert.equal(parseLiquid(source).compile()(data), '[object Object]');
  const odd =
    '{{ a.x }}{{ a.x | append: "!" }}{% if a.x > 1 %}{% endif %}{{ a.x | plus: 1 }}{{ bad | url_decode }}{{ half | url_encode }}';
  assert.equal(
    parseLiquid(odd).compile()({ ...data, bad: '100%', half: '\ud800' }),
    '[object Object][object Object]!1100%%EF%BF%BD',
  );
});

test('literal text is transformed once per renderer, printed values once per render', () => {
  const fixed: string[] = [];
  const output: string[] = [];
  const render = parseLiquid(
    'a {{- x }}{% for i in (1..2) %}<b>{{ i }}{% endfor %}{% capture c %}({{ x }}){% endcapture %}{{ c }}',
  ).compile({
    escapeHtml: true,
    fixed: (text) => {
      fixed.push(text);
      return `[${text}]`;
    },
    output: (value) => {
      output.push(value);
      return `{${value}}`;
    },
  });
  assert.deepEqual(fixed, ['a', '<b>']);
  assert.equal(render({ x: '&' }), '[a]{&amp;}[<b>]{1}[<b>]{2}{(&amp;amp;)}');
  assert.deepEqual(output, ['&amp;', '1', '2', '(&amp;amp;)']);
  render({ x: 1 });
  assert.equal(fixed.length, 2);
});

test('a date without a zone is the same on every machine, and an unknown zone is UTC', () => {
  const render = parseLiquid(
    '{{ d | date: "%F %Y-%m-%d %H:%M %z" }} {{ d | date: "%H", "Nowhere/Land" }}',
  ).compile();
  const machine = process.env.TZ;
  try {
    for (const zone of ['UTC', 'Asia/Tokyo', 'America/New_York']) {
      process.env.TZ = zone;
      assert.equal(render({ d: 'March 5, 2021 4:05 pm' }), '%F 2021-03-05 16:05 +0000 16');
      assert.equal(render({ d: '2021-03-05T16:05:00' }), '%F 2021-03-05 16:05 +0000 16');
      assert.equal(render({ d: '2021-03-05' }), '%F 2021-03-05 00:00 +0000 00');
      assert.equal(render({ d: '2021-03-05T16:05:00+02:00' }), '%F 2021-03-05 14:05 +0000 14');
    }
  } finally {
    if (machine === undefined) delete process.env.TZ;
    else process.env.TZ = machine;
  }
});
