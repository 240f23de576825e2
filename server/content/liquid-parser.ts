/**
 * Builds the tree of a template from its pieces, and refuses what this Liquid does not have.
 *
 * Before: pieces of the lexer. After: nodes for the compiler and for the list of merge fields. Comments are
 * gone and raw text is text. All names (tags, filters, variables) and the number of arguments are checked
 * here, so a template that was parsed renders.
 */
import { ExpressionReader, type FilteredValue, type Value } from './liquid-expression.ts';
import { checkFilter } from './liquid-filters.ts';
import { cutTemplate, type Piece, type TagPiece, TemplateSource } from './liquid-lexer.ts';
import { didYouMean } from './liquid-suggest.ts';

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly value: FilteredValue }
  | { readonly kind: 'assign'; readonly name: string; readonly value: FilteredValue }
  | { readonly kind: 'capture'; readonly name: string; readonly body: readonly Node[] }
  | { readonly kind: 'if'; readonly branches: readonly IfBranch[]; readonly otherwise: readonly Node[] }
  | CaseNode
  | ForNode
  | { readonly kind: 'break' }
  | { readonly kind: 'continue' };

export interface IfBranch {
  readonly test: FilteredValue;
  /** The body runs when the test is false (`unless`). */
  readonly negated: boolean;
  readonly body: readonly Node[];
}

export interface CaseNode {
  readonly kind: 'case';
  readonly target: FilteredValue;
  readonly branches: readonly { readonly values: readonly Value[]; readonly body: readonly Node[] }[];
  readonly otherwise: readonly Node[];
}

export interface ForNode {
  readonly kind: 'for';
  readonly variable: string;
  readonly list: Value;
  readonly offset: Value | undefined;
  readonly limit: Value | undefined;
  readonly reversed: boolean;
  readonly body: readonly Node[];
  readonly otherwise: readonly Node[];
}

const SOURCE_CHARS_MAX = 2_000_000;
const NESTING_MAX = 50;

/** The end tag of each tag that has a body, and the tags that may divide the body. */
const BODIES: Record<string, { end: string; dividers: readonly string[] }> = {
  if: { end: 'endif', dividers: ['elsif', 'else'] },
  unless: { end: 'endunless', dividers: ['elsif', 'else'] },
  case: { end: 'endcase', dividers: ['when', 'else'] },
  for: { end: 'endfor', dividers: ['else'] },
  capture: { end: 'endcapture', dividers: [] },
};
const TAGS = [...Object.keys(BODIES), 'assign', 'break', 'comment', 'continue', 'raw'];
const FILE_TAGS = new Set(['include', 'render', 'layout', 'block', 'section']);

export interface ParsedTemplate {
  readonly nodes: readonly Node[];
  /** Names that `assign` and `capture` set. */
  readonly variables: ReadonlySet<string>;
}

/** Throws TemplateError. */
export function parseTemplate(text: string, name: string, lineOffset: number): ParsedTemplate {
  const source = new TemplateSource(text, name, lineOffset);
  if (text.length > SOURCE_CHARS_MAX) {
    source.fail(0, `the template has ${text.length} characters; a template has at most ${SOURCE_CHARS_MAX}`);
  }
  return new Parser(source).template();
}

class Parser {
  readonly #source: TemplateSource;
  readonly #pieces: readonly Piece[];
  #next = 0;
  /** Open tags that have a body, outermost first. */
  readonly #open: TagPiece[] = [];
  readonly #variables = new Set<string>();
  #loops = 0;

  constructor(source: TemplateSource) {
    this.#source = source;
    this.#pieces = cutTemplate(source);
  }

  template(): ParsedTemplate {
    return { nodes: this.#body(undefined).nodes, variables: this.#variables };
  }

  /** Nodes up to a divider or the end of `opener`, which is returned too. */
  #body(opener: TagPiece): { nodes: Node[]; stop: TagPiece };
  #body(opener: undefined): { nodes: Node[]; stop: undefined };
  #body(opener: TagPiece | undefined): { nodes: Node[]; stop: TagPiece | undefined } {
    const nodes: Node[] = [];
    for (let piece = this.#take(); piece; piece = this.#take()) {
      if (piece.kind === 'tag' && opener && isPartOf(opener.name, piece.name)) return { nodes, stop: piece };
      const node = this.#node(piece);
      if (node) nodes.push(node);
    }
    if (opener) this.#fail(opener, `"${opener.name}" is not closed; add "{% ${BODIES[opener.name]?.end} %}"`);
    return { nodes, stop: undefined };
  }

  #take(): Piece | undefined {
    return this.#pieces[this.#next++];
  }

  #node(piece: Piece): Node | undefined {
    if (piece.kind === 'text') return piece.text === '' ? undefined : { kind: 'text', text: piece.text };
    if (piece.kind === 'output') return { kind: 'print', value: this.#filteredValue(piece) };
    switch (piece.name) {
      case '#':
        return this.#inlineComment(piece);
      case 'comment':
        return this.#comment(piece);
      case 'assign':
        return this.#assign(piece);
      case 'break':
      case 'continue':
        return this.#jump(piece, piece.name);
      default:
        return this.#nested(piece);
    }
  }

  #nested(tag: TagPiece): Node {
    if (!Object.hasOwn(BODIES, tag.name)) return this.#refuseTag(tag);
    if (this.#open.length >= NESTING_MAX) {
      this.#fail(tag, `tags are nested more than ${NESTING_MAX} deep; make the template flatter`);
    }
    this.#open.push(tag);
    const node = this.#withBody(tag);
    this.#open.pop();
    return node;
  }

  #withBody(tag: TagPiece): Node {
    if (tag.name === 'for') return this.#for(tag);
    if (tag.name === 'case') return this.#case(tag);
    if (tag.name === 'capture') return this.#capture(tag);
    return this.#if(tag);
  }

  #if(tag: TagPiece): Node {
    const branches: IfBranch[] = [];
    let otherwise: Node[] | undefined;
    for (let part = tag; ; ) {
      const test = part.name === 'else' ? undefined : this.#filteredValue(part);
      if (!test) this.#expectNoArguments(part);
      const { nodes, stop } = this.#body(tag);
      if (test) branches.push({ test, negated: part.name === 'unless', body: nodes });
      else otherwise = nodes;
      if (stop.name.startsWith('end')) {
        this.#expectNoArguments(stop);
        return { kind: 'if', branches, otherwise: otherwise ?? [] };
      }
      if (otherwise) this.#refuseAfterElse(stop);
      part = stop;
    }
  }

  #case(tag: TagPiece): Node {
    const target = this.#filteredValue(tag);
    const branches: { values: Value[]; body: Node[] }[] = [];
    let otherwise: Node[] | undefined;
    let { stop } = this.#body(tag);
    while (stop.name !== 'endcase') {
      if (otherwise) this.#refuseAfterElse(stop);
      const values = stop.name === 'when' ? this.#whenValues(stop) : undefined;
      if (!values) this.#expectNoArguments(stop);
      const part = this.#body(tag);
      if (values) branches.push({ values, body: part.nodes });
      else otherwise = part.nodes;
      stop = part.stop;
    }
    this.#expectNoArguments(stop);
    return { kind: 'case', target, branches, otherwise: otherwise ?? [] };
  }

  #whenValues(tag: TagPiece): Value[] {
    const reader = this.#reader(tag);
    const values = [reader.value()];
    while (reader.skip(',') || reader.skipWord('or')) values.push(reader.value());
    reader.expectEnd();
    return values;
  }

  #for(tag: TagPiece): Node {
    const head = this.#forHead(tag);
    this.#loops++;
    const { nodes: body, stop } = this.#body(tag);
    this.#loops--;
    this.#expectNoArguments(stop);
    if (stop.name === 'endfor') return { kind: 'for', ...head, body, otherwise: [] };
    const rest = this.#body(tag);
    if (rest.stop.name === 'else') this.#refuseAfterElse(rest.stop);
    this.#expectNoArguments(rest.stop);
    return { kind: 'for', ...head, body, otherwise: rest.nodes };
  }

  #forHead(tag: TagPiece): Pick<ForNode, 'variable' | 'list' | 'offset' | 'limit' | 'reversed'> {
    const reader = this.#reader(tag);
    const variable = reader.newName();
    if (!reader.skipWord('in')) reader.fail('"in" is missing; write for example "{% for item in items %}"');
    const list = reader.value();
    let offset: Value | undefined;
    let limit: Value | undefined;
    let reversed = false;
    while (!reader.atEnd) {
      reader.skip(',');
      if (!limit && reader.skipWord('limit')) limit = loopNumber(reader);
      else if (!offset && reader.skipWord('offset')) offset = loopNumber(reader);
      else if (!reversed && reader.skipWord('reversed')) reversed = true;
      else reader.fail('a loop takes limit:, offset: and reversed, each once; write for example "limit: 3"');
    }
    return { variable, list, offset, limit, reversed };
  }

  #capture(tag: TagPiece): Node {
    const reader = this.#reader(tag);
    const name = this.#newVariable(reader);
    reader.expectEnd();
    const { nodes, stop } = this.#body(tag);
    this.#expectNoArguments(stop);
    return { kind: 'capture', name, body: nodes };
  }

  #assign(tag: TagPiece): Node {
    const reader = this.#reader(tag);
    const name = this.#newVariable(reader);
    if (!reader.skip('=')) reader.fail(`"=" is missing; write for example "{% assign ${name} = 1 %}"`);
    return { kind: 'assign', name, value: this.#checked(reader) };
  }

  #newVariable(reader: ExpressionReader): string {
    const name = reader.newName();
    this.#variables.add(name);
    return name;
  }

  #jump(tag: TagPiece, kind: 'break' | 'continue'): Node {
    this.#expectNoArguments(tag);
    if (this.#loops === 0)
      this.#fail(tag, `"${kind}" is outside of a loop; put it between "for" and "endfor"`);
    return { kind };
  }

  #comment(tag: TagPiece): undefined {
    for (let piece = this.#take(); piece; piece = this.#take()) {
      if (piece.kind === 'tag' && piece.name === 'endcomment') return undefined;
    }
    return this.#fail(tag, '"comment" is not closed; add "{% endcomment %}"');
  }

  #inlineComment(tag: TagPiece): undefined {
    if (!/\n\s*[^#\s]/.test(this.#source.text.slice(tag.start, tag.end))) return undefined;
    return this.#fail(
      tag,
      'each line of this comment must begin with "#"; or use "comment" and "endcomment"',
    );
  }

  #refuseTag(tag: TagPiece): never {
    if (FILE_TAGS.has(tag.name)) {
      this.#fail(tag, `"${tag.name}" reads other files, which a mail cannot; paste the content here instead`);
    }
    const owner = Object.keys(BODIES).find((name) => isPartOf(name, tag.name));
    const open = this.#open.at(-1)?.name;
    if (owner && open) {
      this.#fail(
        tag,
        `"${tag.name}" comes while "${open}" is open; put "{% ${BODIES[open]?.end} %}" before it`,
      );
    }
    if (owner) this.#fail(tag, `"${tag.name}" has no "${owner}" before it; add one or remove it`);
    return this.#fail(tag, `the tag "${tag.name}" is not known${didYouMean(tag.name, TAGS)}`);
  }

  #refuseAfterElse(tag: TagPiece): never {
    return this.#fail(tag, `"${tag.name}" comes after "else"; make "else" the last part`);
  }

  #expectNoArguments(tag: TagPiece): void {
    if (tag.start < tag.end) this.#fail(tag, `"${tag.name}" takes no arguments; remove what follows it`);
  }

  #filteredValue(span: { start: number; end: number }): FilteredValue {
    return this.#checked(this.#reader(span));
  }

  #checked(reader: ExpressionReader): FilteredValue {
    const value = reader.filteredValue();
    for (const filter of value.filters) {
      const problem = checkFilter(filter);
      if (problem !== undefined) this.#source.fail(filter.at, problem);
    }
    return value;
  }

  #reader(span: { start: number; end: number }): ExpressionReader {
    return new ExpressionReader(this.#source, span, this.#loops > 0);
  }

  #fail(tag: TagPiece, problem: string): never {
    return this.#source.fail(tag.at, problem);
  }
}

function isPartOf(owner: string, name: string): boolean {
  const body = BODIES[owner];
  return body?.end === name || (body?.dividers.includes(name) ?? false);
}

function loopNumber(reader: ExpressionReader): Value {
  if (!reader.skip(':')) reader.fail('":" is missing; write for example "limit: 3"');
  const value = reader.value();
  if (value.kind === 'path' && value.root === 'continue') {
    reader.fail('"continue" is not supported in a loop; write the number to begin at');
  }
  return value;
}
