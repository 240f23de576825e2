import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cutTemplate, TemplateSource } from './liquid-lexer.ts';
import { balancedCount, findLiquid, maskLiquid } from './opaque.ts';

const part = fc.constantFrom(
  ...['{{', '}}', '{%', '%}', '{{-', '-}}', '{%-', '-%}', '"', "'", '\\', ' ', '\n', 'a', '{', '}', '%', '#'],
  ...[
    '{{ "}}" }}',
    "{{ '%}' | x: \"'\" }}",
    '{% if a == "%}',
    '{% if b %}',
    '{%else%}',
    '{%- endif -%}',
    '{{ a.b }}',
    '<p>',
  ],
  ...['{% raw %}', '{% endraw %}', '{%- raw-%}', '{%-endraw-%}', '{% rawish %}'],
);

test('what is taken for Liquid outside of Liquid is what the lexer takes for it', () => {
  let compared = 0;
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const source = parts.join('');
      const expected = lexed(source);
      if (!expected) return;
      compared += 1;
      const found = findLiquid(source).filter((span) => !/^\{%-?\s*raw\s*-?%\}/.test(span.source));
      assert.deepEqual(
        found.map((span) => span.start),
        expected,
      );
    }),
    { numRuns: 10_000 },
  );
  assert.ok(compared > 1000, `${compared} templates were well-formed`);
});

/** Where holes and tags begin; nothing when the lexer refuses the template. */
function lexed(source: string): number[] | undefined {
  try {
    return cutTemplate(new TemplateSource(source, 't', 0)).flatMap((piece) =>
      piece.kind === 'text' ? [] : [piece.at],
    );
  } catch {
    return undefined;
  }
}

test('each span is told apart by what it does to its surroundings', () => {
  const source =
    '{{ a }}{% if a %}{% elsif b %}{% else %}{% endif %}{% assign a = 1 %}{%- for p in q -%}{% endfor %}{% # note %}';
  const kinds = ['value', 'open', 'branch', 'branch', 'close', 'silent', 'open', 'close', 'silent'];
  assert.deepEqual(
    findLiquid(source).map((span) => span.kind),
    kinds,
  );
});

test('a capture, comment or raw block is one span with all that is in it', () => {
  const blocks = [
    '{% capture a %}x{% capture b %}y{% endcapture %}{{ z }}{% endcapture %}',
    '{%- comment -%}{{ a }}{% if %}{%- endcomment -%}',
    '{% raw %}{{ a }} {% if %}{% endraw %}',
  ];
  const source = blocks.join('<p>');
  assert.deepEqual(
    findLiquid(source).map((span) => span.source),
    blocks,
  );
});

test('a mask keeps every offset', () => {
  const source = 'é{{ a }}😀{% if\n"x" %}b';
  assert.equal(
    maskLiquid(source, findLiquid(source)),
    'é\u0001\u0001\u0001\u0001\u0001\u0001\u0001😀\u0002\u0002\u0002\u0002\u0002\u0002\u0002\u0002\u0002\u0002\u0002\u0002b',
  );
});

test('blocks that begin and end inside count as balanced, others from where they do not', () => {
  const counts = [
    ['{{ a }}{{ b }}', 2],
    ['{% if a %}{{ b }}{% else %}{% endif %}', 4],
    ['{{ a }}{% endif %}{{ b }}', 1],
    ['{{ a }}{% else %}', 1],
    ['{{ a }}{% if b %}{{ c }}', 1],
    ['{% endif %}{% if a %}', 0],
    ['', 0],
  ] as const;
  for (const [source, count] of counts) assert.equal(balancedCount(findLiquid(source)), count, source);
});
