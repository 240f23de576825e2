/**
 * Every template that Camp accepts renders as liquidjs renders it: templates made from a grammar, and from a
 * soup of tokens where most are refused.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseLiquid } from './liquid.ts';
import { assertAsOracle } from './liquid-oracle.ts';
import { RenderLimit, TemplateError } from './template-error.ts';

/** One of the words of a text. */
function oneOf(words: string): fc.Arbitrary<string> {
  return fc.constantFrom(...words.trim().split(/\s+/));
}

const path = oneOf(`
  a b n s list list[0] list[-1] list[n] list[1].k list.size list.first list.last.k obj obj.k obj.list obj["k"]
  obj[b] obj.size obj.constructor obj.__proto__ items items[1].name s.size s[0] missing missing.x nul none e
  size x x[1] x.name y forloop.index`);
const literal = oneOf(`1 0 -2 2.5 "a" 'b' "" "<&>" true false nil empty blank`);
const range = oneOf('(1..3) (n..4) (3..1)');
const bareFilter = oneOf(`
  upcase downcase capitalize strip lstrip rstrip strip_html strip_newlines newline_to_br escape escape_once
  url_encode url_decode first last size sort sort_natural reverse uniq compact round ceil floor abs json raw
  join truncate truncatewords date where:"name" where:"size" map:"name" map:"size" sort:"name.size"
  sort_natural:"name"`);
const filterOfOne = oneOf(`
  default: append: prepend: remove: remove_first: split: join: map: sort: sort_natural: concat: plus: minus:
  times: divided_by: modulo: at_least: at_most: round: date: where:"name", where:"size", where:"k.list",
  truncate:3, truncatewords:2, replace:"a", date:"%c",`);
const format = oneOf('%Y-%m-%d %c-%x-%X %-d%e%j%U%W%q %z%:z%Z%s %^a%#b%_H %010L%N %Q%E%Od%l:%M%P');
const loopCut = fc.constantFrom(
  '',
  'limit:2',
  'offset:1',
  'limit: n',
  'reversed',
  'offset:1 limit:1 reversed',
  'limit:-1',
);
const jump = fc.constantFrom(
  '',
  '{% break %}',
  '{% if forloop.last %}{% continue %}{% endif %}',
  '{% case x %}{% when 1 %}{% break %}{% when x %}b{% endcase %}',
);
const token = fc.oneof(
  oneOf(`
    {{ }} {% %} {{- -}} {%- -%} . .. [ ] ( ) | : , " ' = == < <> not and or contains x a list obj.k 1 - 2. nil
    empty # ? \\ if else elsif for in assign case when limit reversed upcase default append forloop {{x}}
    {%raw%} {%endraw%} {%endif%} {%endfor%} {%endcase%} {%else%} {%comment%} {%endcomment%}`),
  fc.constantFrom(
    ' ',
    '\n',
    '\u00a0',
    '{{ ',
    ' }}',
    '{% ',
    ' %}',
    '{% if a %}',
    '{% for x in list %}',
    '{% when 1 %}',
  ),
);

function joined(...parts: (string | fc.Arbitrary<string>)[]): fc.Arbitrary<string> {
  return fc
    .tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part)))
    .map((all) => all.join(''));
}

const operand = fc.oneof(
  { weight: 6, arbitrary: path },
  { weight: 3, arbitrary: literal },
  { weight: 1, arbitrary: range },
);
const comparison = fc.oneof(
  operand,
  joined(
    fc.constantFrom('', 'not '),
    operand,
    fc.constantFrom(' == ', ' != ', '<', '>', '<=', '>=', ' contains '),
    operand,
  ),
);
const condition = fc.oneof(
  comparison,
  joined(comparison, fc.constantFrom(' and ', ' or '), comparison, ' or ', comparison),
);
const filter = fc.oneof(
  bareFilter,
  joined(filterOfOne, operand),
  joined(
    'slice: ',
    fc.integer({ min: -4, max: 4 }).map(String),
    ', ',
    fc.integer({ min: -1, max: 4 }).map(String),
  ),
  joined('date: "', format, '"'),
  joined('default: ', operand, ', allow_false: ', fc.boolean().map(String)),
);
const filtered = joined(
  condition,
  fc.array(filter, { maxLength: 3 }).map((all) => all.map((one) => ` | ${one}`).join('')),
);
const open = fc.constantFrom('{% ', '{% ', '{%- ');
const close = fc.constantFrom(' %}', ' %}', ' -%}');
const variable = fc.constantFrom('x', 'y', 's', 'list');

const { nodes } = fc.letrec<{ node: string; nodes: string }>((tie) => ({
  nodes: fc.array(tie('node'), { maxLength: 4 }).map((all) => all.join('')),
  node: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom('text ', '\n', ' <b>', '\u00e9\n  ', ' }} ', '%}', '{ { ', "it's"),
    joined(fc.constantFrom('{{ ', '{{ ', '{{- '), filtered, fc.constantFrom(' }}', ' }}', ' -}}')),
    joined(open, 'assign ', variable, ' = ', filtered, close),
    fc.constantFrom(
      '{% comment %}a{{ x }}{% endcomment %}',
      '{% # hi %}',
      ' {%- raw -%} {{ x -}} {% endraw -%} ',
    ),
    joined(open, 'capture ', variable, close, tie('nodes'), '{% endcapture %}'),
    joined(
      open,
      'if ',
      filtered,
      close,
      tie('nodes'),
      '{% elsif ',
      filtered,
      close,
      tie('nodes'),
      '{% else %}',
      tie('nodes'),
      '{% endif %}',
    ),
    joined(
      open,
      'unless ',
      filtered,
      close,
      tie('nodes'),
      '{% else %}',
      tie('nodes'),
      open,
      'endunless',
      close,
    ),
    joined(
      '{% case ',
      filtered,
      ' %} {% when ',
      operand,
      ', ',
      operand,
      close,
      tie('nodes'),
      '{% when ',
      operand,
      ' %}',
      tie('nodes'),
      '{% else %}',
      tie('nodes'),
      '{% endcase %}',
    ),
    joined(
      '{% for ',
      variable,
      ' in ',
      operand,
      ' ',
      loopCut,
      close,
      tie('nodes'),
      jump,
      tie('nodes'),
      '{% else %}',
      tie('nodes'),
      '{% endfor %}',
    ),
  ),
}));

const soup = fc.array(token, { maxLength: 14 }).map((all) => all.join(''));

const scalar = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    1,
    2,
    -3.7,
    12.345,
    1e21,
    '',
    ' ',
    'a',
    'B',
    '2',
    'a,b',
    'size',
    'Jos\u00e9 \u{1f600} x',
  ),
  fc.constantFrom<unknown>(
    '<i>x</i> & "q"',
    '&amp;&lt;&',
    'line\r\nline',
    '%41%zz',
    '2024-02-29',
    'March 5, 2021 4:05 pm',
    1_700_000_000,
  ),
);
const data = fc.record(
  {
    a: scalar,
    b: scalar,
    n: fc.constantFrom<unknown>(0, 1, 2, 3, '1', null),
    s: fc.oneof(fc.string(), scalar),
    list: fc.array(fc.oneof(scalar, fc.array(scalar, { maxLength: 2 }), fc.record({ k: scalar })), {
      maxLength: 4,
    }),
    obj: fc.record({ k: scalar, list: fc.array(scalar, { maxLength: 3 }) }),
    items: fc.array(fc.record({ name: scalar, ok: scalar, size: scalar }, { requiredKeys: ['name'] }), {
      maxLength: 4,
    }),
    nul: fc.constant(null),
    none: fc.constant([]),
    e: fc.constant({}),
  },
  { requiredKeys: ['list', 'obj', 'items'] },
);

/** Runs `use` unless the render is over a limit, which liquidjs does not have. */
function withinLimits(use: () => void): void {
  try {
    use();
  } catch (error) {
    if (!(error instanceof RenderLimit)) throw error;
  }
}

test('any template of the grammar renders as in liquidjs', () => {
  fc.assert(
    fc.property(nodes, data, (source, values) => withinLimits(() => assertAsOracle(source, values))),
    { numRuns: 1500 },
  );
});

test('any run of tokens is refused with a place or renders as in liquidjs', () => {
  let accepted = 0;
  const property = fc.property(soup, data, (source, values) => {
    try {
      withinLimits(() => assertAsOracle(source, values));
      accepted++;
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      assert.match(error.message, /^template line \d+: .+/s);
    }
  });
  fc.assert(property, { numRuns: 4000 });
  assert.ok(accepted > 400, `only ${accepted} of 4000 were accepted, so little was compared`);
});

test('fixed text and printed values are transformed piece by piece, and nothing else', () => {
  const property = fc.property(nodes, data, (source, values) => {
    const template = parseLiquid(source);
    let renders = 0;
    const fixed = (text: string) => {
      assert.equal(renders, 0, 'fixed text is transformed while compiling only');
      return `⟦${text}⟧`;
    };
    const marked = template.compile({ fixed, output: (value) => `⟪${value}⟧` });
    withinLimits(() => {
      const plain = template.compile()(values);
      renders++;
      const rendered = marked(values);
      assert.match(rendered, /^(?:[⟦⟪][^⟦⟪⟧]*⟧)*$/);
      assert.equal(rendered.replace(/[⟦⟪⟧]/g, ''), plain);
    });
  });
  fc.assert(property, { numRuns: 800 });
});
