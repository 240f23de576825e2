import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { recipientMark, trackHtml, trackText, urlEndMark, urlStartMark } from './links.ts';
import { createSigner } from './tokens.ts';

const ids = {
  workspaceId: '01890a5d-ac96-774b-bcce-b302099a8057',
  campaignId: '01890a5d-ac96-774b-bcce-b302099a8058',
};
const signer = createSigner('secret');
const tracking = { base: 'https://track.example', signer: signer.forCampaign(ids) };
const pixel = `<img src="https://track.example/o/${recipientMark}.gif" width="1" height="1" alt="" style="display:block;border:0" />`;
const clickBase = `https://track.example/c/${recipientMark}/`;

/** The HTML with tracked links shown as `[url]`, URLs with Liquid as `<url>`, and without the pixel at its end. */
function shown(html: string): string {
  const tracked = trackHtml(html, tracking);
  assert.equal(tracked.split(pixel).length, 2, 'one pixel');
  return show(tracked.replace(pixel, ''));
}

function show(tracked: string): string {
  return tracked
    .replaceAll(new RegExp(`${clickBase}([\\w-]+)`, 'g'), (_, token: string) => `[${urlOf(token)}]`)
    .replaceAll(urlStartMark, '<')
    .replaceAll(urlEndMark, '>');
}

function urlOf(token: string): string {
  const result = signer.verifyLinkToken(ids, token);
  return result.kind === 'valid' ? result.url : assert.fail(`not a token: ${token}`);
}

test('web links are tracked, in every way that HTML writes them', () => {
  const links = [
    ['<a href="https://shop.example/">', '<a href="[https://shop.example/]">'],
    ["<a href='https://shop.example/'>", '<a href="[https://shop.example/]">'],
    ['<a href=https://shop.example/>', '<a href="[https://shop.example/]">'],
    ['<A class=x\n HREF = "http://shop.example/" id=y>', '<A class=x\n HREF ="[http://shop.example/]" id=y>'],
    ['<a href=" HTTPS://shop.example/a ">', '<a href="[HTTPS://shop.example/a]">'],
    [
      '<a href="https://shop.example/?a=1&amp;b=2&copy=3">',
      '<a href="[https://shop.example/?a=1&b=2&copy=3]">',
    ],
    ['<a href="https://shop.example/é?q=%20&#39;">', '<a href="[https://shop.example/é?q=%20\']">'],
    [
      '<map><area shape="rect" href="https://shop.example/"></map>',
      '<map><area shape="rect" href="[https://shop.example/]"></map>',
    ],
    [
      '<a title="a > b" href="https://shop.example/">x</a>',
      '<a title="a > b" href="[https://shop.example/]">x</a>',
    ],
  ];
  for (const [before = '', after] of links) assert.equal(shown(before), after);
});

test('what is not a web link, or must not be tracked, stays byte for byte', () => {
  const links = [
    '<a href="mailto:ann@example.com">',
    '<a href="tel:+4412345">',
    '<a href="#top">',
    '<a href="">',
    '<a href>',
    '<a name="x">',
    '<a href="/relative?a=1&b=2">',
    '<a href="https://">',
    '<a href="{{ unsubscribe_url }}">',
    "<a href='{{- unsubscribe_url -}}'>",
    '<a href="mailto:{{ email }}">',
    '<link href="https://fonts.example/f.css"><img src="https://shop.example/logo.png">',
    '<script>var a = \'<a href="https://shop.example/">\';</script>',
    '<textarea><a href="https://shop.example/"></textarea>',
    '<!-- <a href="https://shop.example/"> -->',
  ];
  for (const link of links) assert.equal(shown(link), link);
});

test('data-track="off" leaves a link alone and is not sent', () => {
  assert.equal(shown('<a data-track="off" href="https://a.example/">'), '<a href="https://a.example/">');
  assert.equal(
    shown('<a href="https://a.example/"\n  DATA-TRACK=off class="b">'),
    '<a href="https://a.example/" class="b">',
  );
  assert.equal(
    shown('<a href="https://a.example/" data-track="on">'),
    '<a href="[https://a.example/]" data-track="on">',
  );
});

test('conditional comments, odd markup and Liquid around links stay byte for byte', () => {
  const before = [
    '<!DOCTYPE html><html><head><style>a > b{c:url("https://x.example")}</style></head>\r\n',
    '<!--[if mso | IE]><table><tr><td><a href="https://mso.example/"><v:roundrect href="https://mso.example/"><![endif]-->',
    "<!--[if !mso]><!--><p>1 < 2 & 3 &nbsp; <unknown attr='\"' ><!--<![endif]-->",
    '{% if city == "a>b" and x < 2 %}<td {% if vip %}class="vip"{% endif %} ><a\thref="',
    "\" {% if vip %}style='a'{% endif %}>text</a>{% endif %}<br/><P>unclosed {{ \"<a href='https://x.example'>\" }}",
    '</table></div>\n',
  ].join('');
  const html = before.replace('href="" {%', 'href="https://shop.example/?a=1&amp;b=2" {%');
  const after = before.replace('href="" {%', 'href="[https://shop.example/?a=1&b=2]" {%');
  assert.notEqual(html, before);
  assert.equal(shown(html), after);
});

test('any HTML keeps each byte that is not a tracked link', () => {
  const part = fc.constantFrom(
    ...[
      '<p>',
      '</p>',
      '<!--',
      '-->',
      '<![endif]-->',
      '<!--[if mso]>',
      '<',
      '>',
      '"',
      "'",
      '=',
      ' ',
      '\n',
      '\r\n',
      '&amp;',
      '&',
    ],
    ...[
      '{{ a }}',
      '{% if a %}',
      '{% endif %}',
      'é',
      '😀',
      '<pre>\n',
      '<style>',
      '</style>',
      '<b class="c">',
      'text',
      '\ue000',
    ],
    ...[
      '<a href="mailto:a@b.example">',
      '<textarea>',
      '</textarea>',
      '<title>',
      '</title>',
      '<svg>',
      '<![CDATA[',
      ']]>',
    ],
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 25 }), fc.array(part, { maxLength: 5 }), (parts, tail) => {
      const html = parts.join('');
      assert.equal(trackHtml(html, tracking), html + pixel);
      const whole = `${html}</body>${tail.join('')}`;
      assert.equal(trackHtml(whole, tracking).replace(pixel, ''), whole);
    }),
    { numRuns: 2000 },
  );
});

test('an HTML mail of several hundred kilobytes is rewritten at once and whole', () => {
  const row = '<tr><td>{{ name }} and 😀 <a href="https://shop.example/{{ id }}">x</a></td></tr>\n';
  const long = `<p>${'word {{ name }} '.repeat(20_000)}</p>`;
  const html = `<body><table>${row.repeat(3000)}</table>${long}</body>`;
  const expected = html.replaceAll('"https://shop.example/{{ id }}"', '"<https://shop.example/{{ id }}>"');
  assert.equal(shown(html), expected);
});

test('the open pixel stands before the end of the body, or at the end of HTML that has none', () => {
  assert.equal(trackHtml('<body><p>a</p></body></html>', tracking), `<body><p>a</p>${pixel}</body></html>`);
  assert.equal(trackHtml('<p>a</p>', tracking), `<p>a</p>${pixel}`);
  assert.equal(trackHtml('<!-- </body> --><p>a', tracking), `<!-- </body> --><p>a${pixel}`);
});

test('a link with Liquid in it is marked, to be signed when its URL is known', () => {
  const links = [
    [
      '<a href="https://shop.example/?u={{ id }}&amp;x=1">',
      '<a href="<https://shop.example/?u={{ id }}&amp;x=1>">',
    ],
    ['<a href="{{ product.url }}">', '<a href="<{{ product.url }}>">'],
    [
      '<a href="{{ url | default: "https://a.example/" }}">',
      '<a href="<{{ url | default: "https://a.example/" }}>">',
    ],
    [
      '<a href="{% if vip %}https://a.example/{% else %}https://b.example/{% endif %}">',
      '<a href="<{% if vip %}https://a.example/{% else %}https://b.example/{% endif %}>">',
    ],
  ];
  for (const [before = '', after] of links) assert.equal(shown(before), after);
});

test('a URL whose Liquid block begins or ends elsewhere is left alone, since a mark would be torn apart', () => {
  const links = [
    '<a href="{% if vip %}https://a.example/">a</a><a href="{% endif %}">',
    '<a href="https://a.example/{% endif %}">',
    '<a href="https://a.example/{% else %}x">',
  ];
  for (const link of links) assert.equal(shown(link), link);
});

test('links in capture, raw and comment blocks are left alone', () => {
  const html = [
    '{% capture x %}<a href="https://a.example/">{% capture y %}z{% endcapture %}<a href="https://b.example/">{% endcapture %}',
    '{% raw %}<a href="https://a.example/{{ x }}">{% endraw %}{%- comment -%}<a href="https://a.example/">{%- endcomment -%}',
  ].join('');
  assert.equal(shown(`${html}<a href="https://c.example/">`), `${html}<a href="[https://c.example/]">`);
});

test('links in plain text are tracked without the punctuation around them', () => {
  const texts = [
    ['See https://shop.example/a.', 'See [https://shop.example/a].'],
    ['(http://shop.example/a?b=c&d=e#f), then', '([http://shop.example/a?b=c&d=e#f]), then'],
    ['<https://shop.example/>!', '<[https://shop.example/]>!'],
    ['https://wiki.example/a_(b) x', '[https://wiki.example/a_(b)] x'],
    ['https://a.example/\nhttps://b.example/', '[https://a.example/]\n[https://b.example/]'],
    ['"https://a.example/"', '"[https://a.example/]"'],
    [
      'https:// and www.example.com and mailto:a@b.example',
      'https:// and www.example.com and mailto:a@b.example',
    ],
    ['https://... and http://)', 'https://... and http://)'],
    ['Leave: {{ unsubscribe_url }}', 'Leave: {{ unsubscribe_url }}'],
    ['{{ "https://a.example/" }}', '{{ "https://a.example/" }}'],
  ];
  for (const [before = '', after] of texts) assert.equal(show(trackText(before, tracking)), after);
});

test('a link with Liquid in plain text takes whole blocks with it, and stops where a block ends around it', () => {
  const texts = [
    ['https://a.example/{{ id }}.', '<https://a.example/{{ id }}>.'],
    ['https://a.example/{% if x %}?x=1{% endif %} b', '<https://a.example/{% if x %}?x=1{% endif %}> b'],
    [
      '{% if x %}https://a.example/{% else %}https://b.example/{{ id }}{% endif %}',
      '{% if x %}[https://a.example/]{% else %}<https://b.example/{{ id }}>{% endif %}',
    ],
    ['https://a.example/{% if x %} and {% endif %}', '[https://a.example/]{% if x %} and {% endif %}'],
  ];
  for (const [before = '', after] of texts) assert.equal(show(trackText(before, tracking)), after);
});
