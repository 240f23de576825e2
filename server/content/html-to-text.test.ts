import assert from 'node:assert/strict';
import { test } from 'node:test';
import { htmlToText } from './html-to-text.ts';
import { parseLiquid } from './liquid.ts';

const cases: [what: string, html: string, text: string][] = [
  ['paragraphs', '<p>One\n   two</p><p>Three</p>', 'One two\n\nThree\n'],
  ['headings', '<h1>Title</h1>text<h2>Sub</h2><p>more</p>', 'Title\n\ntext\n\nSub\n\nmore\n'],
  ['line breaks', 'a<br>b<br/><br>c<br><br><br>d', 'a\nb\n\nc\n\nd\n'],
  ['divisions', '<div>a</div><div>b<div>c</div></div>d', 'a\nb\nc\nd\n'],
  ['inline elements', 'a<b>b</b> <i> c </i>d<span>e</span>', 'ab c de\n'],
  ['entities', '&lt;p&gt; &amp; &eacute;&nbsp;&#8364;', '<p> & é €\n'],
  [
    'a link',
    '<a href="https://a.example/?x=1&amp;y=2">Read</a> on',
    'Read (https://a.example/?x=1&y=2) on\n',
  ],
  [
    'a link that shows its address',
    '<a href="https://a.example/">https://a.example/</a>',
    'https://a.example/\n',
  ],
  [
    'a link with a picture',
    '<a href="https://a.example/"><img src="x" alt="Shop"></a>',
    'Shop (https://a.example/)\n',
  ],
  ['a link with nothing to read', '<a href="https://a.example/"><img src="x"></a>b', 'b\n'],
  [
    'a mail link',
    '<a href="mailto:a@b.example?subject=x">Ann</a> <a href="mailto:a@b.example">a@b.example</a>',
    'Ann (a@b.example) a@b.example\n',
  ],
  ['an anchor', '<a href="#top">Up</a> <a name="x">here</a>', 'Up here\n'],
  [
    'a list',
    'a<ul><li>One</li><li>Two<ul><li>Deep</li></ul></li></ul>b',
    'a\n\n- One\n- Two\n  - Deep\n\nb\n',
  ],
  ['a numbered list', '<ol><li><p>One</p><li>Two</ol>', '1. One\n\n2. Two\n'],
  ['a rule', 'a<hr>b', `a\n\n${'-'.repeat(20)}\n\nb\n`],
  [
    'a data table',
    '<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>x',
    'A B\n1 2\n\nx\n',
  ],
  [
    'a layout table',
    '<table role="presentation"><tr><td><div>One</div></td></tr><tr><td>Two</td><td>Three</td></tr></table>',
    'One\n\nTwo\n\nThree\n',
  ],
  ['preformatted text', '<pre>a\n  b</pre>c', 'a\n  b\n\nc\n'],
  [
    'what is not shown',
    '<html><head><title>T</title><style>p{}</style></head><body><script>x</script><!-- c --><!--[if mso]>m<![endif]-->' +
      '<div style="display: none">a<div>b</div>c</div><img style="display:none" alt="p">shown</body></html>',
    'shown\n',
  ],
  ['a head that is not closed', '<html><head><title>T</title><body>shown', 'shown\n'],
  [
    'a hole',
    '<p>Dear {{ name | default: "a<b>" }},</p><p>{{ x }} {{ y }}</p>',
    'Dear {{ name | default: "a<b>" }},\n\n{{ x }} {{ y }}\n',
  ],
  ['a link with Liquid', '<a href="{{ unsubscribe_url }}">Leave</a>', 'Leave ({{ unsubscribe_url }})\n'],
  [
    'a link with a condition that ends elsewhere',
    '<a href="{% if x %}https://a.example/">a</a><a href="{% endif %}">b</a>',
    'ab\n',
  ],
];

for (const [what, html, text] of cases) {
  test(`the plain text of ${what} is what a reader expects`, () => assert.equal(htmlToText(html), text));
}

test('a paragraph under a condition takes its blank line with it', () => {
  const render = parseLiquid(
    htmlToText(
      '<p>Hello</p>{% if city %}<p>We come to {{ city }}.</p>{% else %}<p>Where are you?</p>{% endif %}<p>Bye</p>',
    ),
  ).compile();
  assert.equal(render({ city: 'Oslo' }), 'Hello\n\nWe come to Oslo.\n\nBye\n');
  assert.equal(render({}), 'Hello\n\nWhere are you?\n\nBye\n');
});

test('a condition at the very top adds no blank line', () => {
  assert.equal(htmlToText('{% if a %}<p>A</p>{% endif %}<p>b</p>'), '{% if a %}A{% endif %}\n\nb\n');
});

test('a list made by a loop has one line an item, and none when there are none', () => {
  const render = parseLiquid(
    htmlToText(
      'a<ul>{% for p in products %}<li><a href="{{ p.url }}">{{ p.name }}</a></li>{% endfor %}</ul>b',
    ),
  ).compile();
  const products = [
    { name: 'One', url: 'https://a.example/1' },
    { name: 'Two', url: 'https://a.example/2' },
  ];
  assert.equal(
    render({ products }),
    'a\n\n- One (https://a.example/1)\n\n- Two (https://a.example/2)\n\nb\n',
  );
  assert.equal(render({ products: [] }), 'a\n\nb\n');
});

test('a condition in HTML comments or in the head still acts on the text', () => {
  const text = htmlToText(
    '<head><style>{% assign vip = true %}{{ css }}</style></head><!-- {% if vip %} -->Hi<!-- {% endif %} -->',
  );
  assert.equal(text, '{% assign vip = true %}{% if vip %}Hi{% endif %}\n');
});
