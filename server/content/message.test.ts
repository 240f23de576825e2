import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ParsedMail, simpleParser } from 'mailparser';
import PostalMime from 'postal-mime';
import {
  compileMessage,
  type MessageInput,
  type MessageRecipient,
  recipientData,
  SenderError,
} from './message.ts';
import { type CompiledTemplate, compileTemplate, loadTemplate } from './template.ts';
import { createSigner } from './tokens.ts';

const workspaceId = '01890a5d-ac96-774b-bcce-b302099a8057';
const campaignId = '01890a5d-ac96-774b-bcce-b302099a8058';
const contactId = '01890a5d-ac96-774b-bcce-b302099a8059';
const ids = { workspaceId, campaignId };
const signer = createSigner('secret');

const htmlTemplate = `---
subject: {{ first_name | default: "Hello" }}: {{ topic }}
---
<!doctype html>
<html><head><title>News</title></head><body>
<p>Dear {{ name }}, <b>{{ topic }}</b></p>
.a line with a dot
From a line with From
<p>{{ topic }}</p>
</body></html>
`;
const ownText = `Dear {{ name }},
.{{ topic }}
{{ topic }}
From {{ topic }}
Bye
`;

const expectedHeaders = [
  'content-type',
  'date',
  'from',
  'list-unsubscribe',
  'list-unsubscribe-post',
  'message-id',
  'mime-version',
  'subject',
  'to',
];

const awkward = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.string({ unit: 'grapheme', maxLength: 40 }) },
      fc.constantFrom(
        '.',
        '\n.',
        '\r\n.\r\n',
        '\nFrom ',
        ' ',
        '\t',
        ' \n',
        '\r',
        '\n',
        '\r\nBcc: evil@example.com\r\n',
        '\n\n<b>',
      ),
      fc.constantFrom(
        '👩‍👩‍👧‍👦',
        'שלום עולם',
        'e\u0301',
        'مرحبا',
        '=?UTF-8?Q?=41?=',
        '"',
        '\\',
        ',',
        ';',
        '<a@b.example>',
        '(c)',
        '@',
        '=',
      ),
      fc.constantFrom(
        '\u0001',
        '\u0002https://evil.example\u0003',
        '\0',
        '\u007f',
        '\u0085',
        '\u2028',
        '\ud800',
        '\u00a0',
      ),
      fc.constantFrom(
        'x'.repeat(300),
        '字'.repeat(100),
        '--=_01890a5dac96774bbcceb302099a8058--',
        '{{ x }}',
        '&amp;',
        '%',
      ),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''));

test('whatever a contact is called and has as attributes, two mail readers show exactly that and nothing more', async () => {
  const template = compileTemplate(loadTemplate('t.html', htmlTemplate, ownText));
  await fc.assert(
    fc.asyncProperty(awkward, awkward, awkward.map(header), async (name, topic, fromName) => {
      const message = compileMessage(
        input({ template, from: { name: fromName, email: 'news@green.example' } }),
      );
      const recipient = { contactId, email: 'ann@example.com', name, attributes: { topic } };
      const data = rendered(message.render(recipient));
      assertWire(data);
      const first = name.trim().split(/\s+/)[0] || 'Hello';
      const expected = {
        subject: header(`${first}: ${topic}`),
        fromName: header(fromName),
        toName: header(name),
        text: `Dear ${lines(name)},\n.${lines(topic)}\n${lines(topic)}\nFrom ${lines(topic)}\nBye`,
        html:
          '<!doctype html>\n<html><head><title>News</title></head><body>\n' +
          `<p>Dear ${escaped(lines(name))}, <b>${escaped(lines(topic))}</b></p>\n` +
          `.a line with a dot\nFrom a line with From\n<p>${escaped(lines(topic))}</p>\n`,
      };
      await assertPostalMime(data, expected);
      await assertMailparser(data, expected);
    }),
    { numRuns: 1000 },
  );
});

test('a mail that was rendered once is rendered the same today', () => {
  const content = readFileSync(new URL('../../examples/plain.txt', import.meta.url), 'utf8');
  const html = readFileSync(new URL('testdata/golden.html', import.meta.url), 'utf8');
  const template = compileTemplate(
    loadTemplate('golden.html', html, content.slice(content.lastIndexOf('---\n') + 4)),
  );
  const message = compileMessage(
    input({
      template,
      from: { name: 'Grüne Mühle', email: 'news@grüne-mühle.example' },
      replyTo: { name: 'Help, please', email: 'help@green.example' },
      listId: 'news.green.example',
      feedbackId: 'c1:w1:bulk:camp',
    }),
  );
  const recipient = {
    contactId,
    email: 'zoe@example.com',
    name: 'Zoë Ångström',
    attributes: { city: 'Malmö', user: 'a&b' },
  };
  const golden = readFileSync(new URL('testdata/golden.eml', import.meta.url), 'utf8').replaceAll(
    '\n',
    '\r\n',
  );
  assert.equal(rendered(message.render(recipient)), golden);
});

test('links, pixel, unsubscribe link and header carry tokens of this recipient', async () => {
  const template = compileTemplate(
    loadTemplate(
      't.html',
      '---\nsubject: s\n---\n<a href="https://shop.example/?a=1&amp;b=2">x</a> <a href="{{ unsubscribe_url }}">leave</a>',
    ),
  );
  const mail = await read(render(template, {}));
  const [, click = '', link = ''] =
    /href="https:\/\/track\.green\.example\/c\/([\w-]+)\/([\w-]+)"/.exec(mail.html) ?? [];
  const [, open = ''] = /src="https:\/\/track\.green\.example\/o\/([\w-]+)\.gif"/.exec(mail.html) ?? [];
  const [, leave = ''] = /href="https:\/\/track\.green\.example\/u\/([\w-]+)"/.exec(mail.html) ?? [];
  for (const token of [click, open, leave]) {
    assert.deepEqual(signer.verifyRecipientToken(token), {
      kind: 'valid',
      workspaceId,
      campaignId,
      contactId,
    });
  }
  assert.deepEqual(signer.verifyLinkToken(ids, link), {
    kind: 'valid',
    url: 'https://shop.example/?a=1&b=2',
  });
  assert.equal(mail.header('list-unsubscribe'), `<https://track.green.example/u/${leave}>`);
  assert.equal(mail.header('list-unsubscribe-post'), 'List-Unsubscribe=One-Click');
  assert.match(
    mail.text,
    new RegExp(`^x \\(https://track\\.green\\.example/c/${click}/${link}\\) leave \\(.*/u/${leave}\\)$`),
  );
});

test('a link made from the data of a recipient is signed for what it became', async () => {
  const html =
    '{% for p in products %}<a href="{{ p.url }}?u={{ email }}&amp;q={{ p.q }}">{{ p.name }}</a>{% endfor %}';
  const template = compileTemplate(loadTemplate('t.html', `---\nsubject: s\n---\n${html}`));
  const q = `a"b&c<é>=${'x'.repeat(100)}`;
  const products = [
    { name: 'One', url: 'https://shop.example/1', q },
    { name: 'Two', url: 'http://shop.example/2', q: '' },
    { name: 'Three', url: 'javascript:alert(1)', q: '' },
    { name: 'Four', url: 'https://track.green.example/u/mine', q: '' },
  ];
  const mail = await read(render(template, { products }));
  assert.deepEqual(trackedUrls(mail.html), [
    `https://shop.example/1?u=ann@example.com&q=${q}`,
    'http://shop.example/2?u=ann@example.com&q=',
  ]);
  assert.ok(mail.html.includes('<a href="javascript:alert(1)?u=ann@example.com&amp;q=">Three</a>'));
  assert.ok(
    mail.html.includes('<a href="https://track.green.example/u/mine?u=ann@example.com&amp;q=">Four</a>'),
  );
});

test('a link in the text part with data in it is signed for what it became', async () => {
  const source = '{% for p in products %}* https://shop.example/{{ p.id }}?u={{ email }}{% endfor %}.';
  const template = compileTemplate(loadTemplate('t.txt', `---\nsubject: s\n---\n${source}`));
  const mail = await read(render(template, { products: [{ id: 1 }, { id: 'é&amp;ü' }] }));
  const urls = ['https://shop.example/1?u=ann@example.com', 'https://shop.example/é&amp;ü?u=ann@example.com'];
  assert.deepEqual(trackedUrls(mail.text), urls);
  assert.match(mail.text, /^\* https:\S+\* https:\S+\.$/);
});

test('links in captured HTML still lead where they should', async () => {
  const html = '{% capture x %}<a href="https://a.example/">{{ name }}</a>{% endcapture %}{{ x | raw }}';
  const template = compileTemplate(loadTemplate('t.html', `---\nsubject: s\n---\n${html}`, 'text'));
  const mail = await read(render(template, {}));
  assert.ok(mail.html.includes('<a href="https://a.example/">Ann Lee</a>'));
});

test('a contact whose data look like a mark or a link of ours gets no signature on it', async () => {
  const template = compileTemplate(loadTemplate('t.html', '---\nsubject: s\n---\n<p>{{ x }}</p>', '{{ x }}'));
  const mail = await read(render(template, { x: '\u0002https://evil.example\u0003\u0001' }));
  assert.equal(mail.text, '\u0002https://evil.example\u0003\u0001');
  assert.ok(mail.html.startsWith('<p>\u0002https://evil.example\u0003\u0001</p>'));
});

test('a plain-text template is sent as text alone', async () => {
  const data = render(
    compileTemplate(loadTemplate('t.txt', '---\nsubject: s\n---\nHi {{ name }}\nhttps://a.example/')),
    {},
  );
  assert.match(data, /\r\nContent-Type: text\/plain; charset=utf-8\r\n/);
  const mail = await read(data);
  assert.equal(mail.html, '');
  assert.match(mail.text, /^Hi Ann Lee\nhttps:\/\/track\.green\.example\/c\/[\w-]+\/[\w-]+$/);
});

test('attributes are merge fields, but none can pose as the address or the unsubscribe link', () => {
  const recipient = {
    email: 'ann@example.com',
    name: 'Ann Lee',
    attributes: { email: 'x', unsubscribe_url: 'y', contact: 'z', city: 'Oslo' },
  };
  assert.deepEqual(recipientData(recipient, 'https://u'), {
    email: 'ann@example.com',
    name: 'Ann Lee',
    first_name: 'Ann',
    city: 'Oslo',
    unsubscribe_url: 'https://u',
    contact: {
      email: 'ann@example.com',
      name: 'Ann Lee',
      first_name: 'Ann',
      city: 'Oslo',
      contact: 'z',
      unsubscribe_url: 'y',
    },
  });
});

test('a first name comes from the attribute, else from the name, else there is none', () => {
  const firstName = (name: string | null, attributes: Record<string, unknown>) =>
    recipientData({ email: 'a@b.example', name, attributes }, 'u').first_name;
  assert.equal(firstName('Ann Lee', { first_name: 'Annie' }), 'Annie');
  assert.equal(firstName('  Ann\tLee', {}), 'Ann');
  assert.equal(firstName(' ', {}), null);
  assert.equal(firstName(null, {}), null);
});

test('a recipient whose address cannot be written is an outcome, and the others go on', () => {
  const message = compileMessage(
    input({ template: compileTemplate(loadTemplate('t.txt', '---\nsubject: s\n---\nx')) }),
  );
  const recipient = { contactId, name: null, attributes: {} };
  const refused = message.render({ ...recipient, email: 'jürgen@example.com' });
  assert.equal(refused.kind, 'unrenderable');
  assert.match(
    refused.kind === 'unrenderable' ? refused.error : '',
    /"jürgen@example\.com" has a non-ASCII character/,
  );
  const injected = message.render({ ...recipient, email: 'a@example.com>\r\nBcc: <b@example.com' });
  assert.equal(injected.kind, 'unrenderable');
  assert.match(
    rendered(message.render({ ...recipient, email: 'jo@bücher.example' })),
    /\r\nTo: jo@xn--bcher-kva\.example\r\n/,
  );
});

test('a template that goes over its limits for one recipient is an outcome', () => {
  const source =
    '---\nsubject: s\n---\n{% for a in list %}{% for b in list %}{% for c in list %}x{% endfor %}{% endfor %}{% endfor %}';
  const message = compileMessage(input({ template: compileTemplate(loadTemplate('t.txt', source)) }));
  const recipient = { contactId, email: 'a@b.example', name: null };
  const result = message.render({ ...recipient, attributes: { list: Array.from({ length: 500 }, () => 0) } });
  assert.equal(result.kind, 'unrenderable');
  assert.equal(message.render({ ...recipient, attributes: { list: [1] } }).kind, 'rendered');
});

test('a campaign whose sender cannot be written does not compile', () => {
  const template = compileTemplate(loadTemplate('t.txt', '---\nsubject: s\n---\nx'));
  assert.throws(() => compileMessage(input({ template, from: { email: 'nobody' } })), SenderError);
  const named = { name: 'News\r\nBcc: c@d.example', email: 'a@b.example' };
  assert.throws(() => compileMessage(input({ template, from: named })), SenderError);
  assert.throws(() => compileMessage(input({ template, replyTo: named })), SenderError);
  assert.throws(
    () => compileMessage(input({ template, replyTo: { email: 'a@b.example\r\nBcc: c@d.example' } })),
    SenderError,
  );
});

test('a recipient keeps the Message-ID over tries, and has one of their own', () => {
  const message = compileMessage(
    input({ template: compileTemplate(loadTemplate('t.txt', '---\nsubject: s\n---\nx')) }),
  );
  const recipient = { contactId, email: 'a@b.example', name: null, attributes: {} };
  const first = message.render(recipient);
  assert.deepEqual(message.render(recipient), first);
  assert.match(
    first.kind === 'rendered' ? first.data : '',
    /\r\nMessage-ID: <[0-9a-f]{32}@green\.example>\r\n/,
  );
  const other = message.render({ ...recipient, contactId: workspaceId });
  assert.notEqual(other.kind === 'rendered' && other.messageId, first.kind === 'rendered' && first.messageId);
});

test('the Date header follows the clock', () => {
  let nowMs = Date.UTC(2026, 1, 3, 4, 5, 6, 999);
  const template = compileTemplate(loadTemplate('t.txt', '---\nsubject: s\n---\nx'));
  const message = compileMessage(input({ template, now: () => nowMs }));
  const dateOf = () =>
    /^Date: (.*)\r$/m.exec(
      rendered(message.render({ contactId, email: 'a@b.example', name: null, attributes: {} })),
    )?.[1];
  assert.equal(dateOf(), 'Tue, 03 Feb 2026 04:05:06 +0000');
  nowMs += 1;
  assert.equal(dateOf(), 'Tue, 03 Feb 2026 04:05:07 +0000');
});

/** What the links in a body lead to. */
function trackedUrls(body: string): string[] {
  return [...body.matchAll(/https:\/\/track\.green\.example\/c\/[\w-]+\/([\w-]+)/g)].map(([, token = '']) => {
    const link = signer.verifyLinkToken(ids, token);
    return link.kind === 'valid' ? link.url : assert.fail(`not signed for this campaign: ${token}`);
  });
}

interface Mail {
  html: string;
  text: string;
  header(key: string): string | undefined;
}

async function read(data: string): Promise<Mail> {
  const mail = await PostalMime.parse(data);
  return {
    html: mail.html ?? '',
    text: (mail.text ?? '').replace(/\n$/, ''),
    header: (key) => mail.headers.find((header) => header.key === key)?.value,
  };
}

function render(template: CompiledTemplate, attributes: MessageRecipient['attributes']): string {
  const data = rendered(
    compileMessage(input({ template })).render({
      contactId,
      email: 'ann@example.com',
      name: 'Ann Lee',
      attributes,
    }),
  );
  assertWire(data);
  return data;
}

interface Expected {
  subject: string;
  fromName: string;
  toName: string;
  text: string;
  html: string;
}

async function assertPostalMime(data: string, expected: Expected): Promise<void> {
  const mail = await PostalMime.parse(data);
  assert.deepEqual(mail.headers.map(({ key }) => key).sort(), expectedHeaders);
  assert.equal(mail.subject, expected.subject, 'postal-mime subject');
  assert.deepEqual(mail.from, { address: 'news@green.example', name: expected.fromName });
  assert.deepEqual(mail.to, [{ address: 'ann@example.com', name: expected.toName }]);
  assert.equal(mail.cc ?? mail.bcc, undefined);
  assert.equal(lines(mail.text ?? '').replace(/\n$/, ''), expected.text, 'postal-mime text');
  assert.equal(lines(beforePixel(mail.html ?? '')), expected.html, 'postal-mime html');
  assert.deepEqual(mail.attachments, []);
}

async function assertMailparser(data: string, expected: Expected): Promise<void> {
  const mail: ParsedMail = await simpleParser(data, {
    skipTextToHtml: true,
    skipHtmlToText: true,
    skipTextLinks: true,
  });
  assert.deepEqual(mail.headerLines.map(({ key }) => key).sort(), expectedHeaders);
  assert.equal(mail.subject ?? '', expected.subject, 'mailparser subject');
  assert.deepEqual(mail.from?.value, [{ address: 'news@green.example', name: expected.fromName }]);
  assert.ok(mail.to && !Array.isArray(mail.to));
  assert.deepEqual(mail.to.value, [{ address: 'ann@example.com', name: expected.toName }]);
  assert.equal(lines(mail.text ?? '').replace(/\n$/, ''), expected.text, 'mailparser text');
  assert.equal(lines(beforePixel(mail.html || '')), expected.html, 'mailparser html');
  assert.deepEqual(mail.attachments, []);
}

/** Printable ASCII, CRLF, no line too long, no line that needs dot-stuffing. */
function assertWire(data: string): void {
  assert.match(data, /^(?:[ -~]{0,998}\r\n)*$/);
  assert.doesNotMatch(data, /^\./m);
}

function beforePixel(html: string): string {
  return html.slice(0, html.indexOf('<img src="https://track.green.example/o/'));
}

function lines(text: string): string {
  return text.toWellFormed().replaceAll(/\r\n|\r|\n/g, '\n');
}

function header(text: string): string {
  return text
    .slice(0, 1000)
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, ' ')
    .trim();
}

function escaped(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&#34;',
    "'": '&#39;',
  };
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? character);
}

function input(changes: Partial<MessageInput> & Pick<MessageInput, 'template'>): MessageInput {
  return {
    workspaceId,
    campaignId,
    from: { name: 'Green Mill Farm', email: 'news@green.example' },
    trackingBase: 'https://track.green.example',
    signer,
    now: () => Date.UTC(2026, 10, 23, 14, 35),
    ...changes,
  };
}

function rendered(result: ReturnType<ReturnType<typeof compileMessage>['render']>): string {
  assert.equal(result.kind, 'rendered', result.kind === 'unrenderable' ? result.error : '');
  return result.kind === 'rendered' ? result.data : '';
}
