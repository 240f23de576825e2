/**
 * Finds what a template wants from the data: the merge fields.
 *
 * After the parser; the result tells the author of a campaign which fields the audience must have. A name that
 * the template has set before (assign, capture) or that a loop sets is not a field.
 */
import type { Expression, FilteredValue, PathValue, Value } from './liquid-expression.ts';
import type { Node } from './liquid-parser.ts';

/** A value that the template wants from the data. */
export interface MergeField {
  /** As written, with dots: `contact.first_name`. It ends before a numeric or computed index. */
  readonly path: string;
  /** Line of the first use. */
  readonly line: number;
  /** The template copes without it: it has a `default`, or is only used in or under a test of itself. */
  readonly optional: boolean;
}

/** Where a value stands: names set by loops around it, and paths that each tag around it tests. */
interface Place {
  readonly bound: readonly string[];
  readonly tested: readonly ReadonlySet<string>[];
}

export function findMergeFields(nodes: readonly Node[]): MergeField[] {
  const finder = new FieldFinder();
  finder.visitAll(nodes, { bound: [], tested: [] });
  return [...finder.fields.values()];
}

class FieldFinder {
  readonly fields = new Map<string, MergeField>();
  readonly #assigned = new Set<string>();

  visitAll(nodes: readonly Node[], place: Place): void {
    for (const node of nodes) this.#visit(node, place);
  }

  #visit(node: Node, place: Place): void {
    switch (node.kind) {
      case 'print':
        this.#readFiltered(node.value, place);
        return;
      case 'assign':
        this.#readFiltered(node.value, place);
        this.#assigned.add(node.name);
        return;
      case 'capture':
        this.visitAll(node.body, place);
        this.#assigned.add(node.name);
        return;
      case 'if':
        this.#visitIf(node, place);
        return;
      case 'case':
        this.#visitCase(node, place);
        return;
      case 'for':
        this.#visitFor(node, place);
        return;
    }
  }

  #visitIf(node: Extract<Node, { kind: 'if' }>, place: Place): void {
    const tested = new Set<string>();
    const inner = { ...place, tested: [...place.tested, tested] };
    for (const branch of node.branches) {
      this.#test(branch.test, inner, tested);
      this.visitAll(branch.body, inner);
    }
    this.visitAll(node.otherwise, inner);
  }

  #visitCase(node: Extract<Node, { kind: 'case' }>, place: Place): void {
    const tested = new Set<string>();
    const inner = { ...place, tested: [...place.tested, tested] };
    this.#test(node.target, inner, tested);
    for (const branch of node.branches) {
      for (const value of branch.values) this.#readValue(value, inner, true);
      this.visitAll(branch.body, inner);
    }
    this.visitAll(node.otherwise, inner);
  }

  #visitFor(node: Extract<Node, { kind: 'for' }>, place: Place): void {
    for (const value of [node.list, node.offset, node.limit]) if (value) this.#readValue(value, place, false);
    this.visitAll(node.body, { ...place, bound: [...place.bound, node.variable, 'forloop'] });
    this.visitAll(node.otherwise, place);
  }

  #test(test: FilteredValue, place: Place, tested: Set<string>): void {
    for (const path of this.#readExpression(test.expression, place, true)) tested.add(path);
    this.#readArguments(test, place);
  }

  #readFiltered(value: FilteredValue, place: Place): void {
    const hasDefault = value.filters.some((filter) => filter.name === 'default');
    this.#readExpression(value.expression, place, hasDefault);
    this.#readArguments(value, place);
  }

  #readArguments(value: FilteredValue, place: Place): void {
    for (const filter of value.filters) for (const arg of filter.args) this.#readValue(arg, place, false);
  }

  /** Returns the paths that were read. */
  #readExpression(expression: Expression, place: Place, optional: boolean): string[] {
    if (expression.kind === 'not') return this.#readExpression(expression.operand, place, optional);
    if (expression.kind !== 'binary') return this.#readValue(expression, place, optional);
    return [
      ...this.#readExpression(expression.left, place, optional),
      ...this.#readExpression(expression.right, place, optional),
    ];
  }

  #readValue(value: Value, place: Place, optional: boolean): string[] {
    if (value.kind === 'literal') return [];
    if (value.kind === 'range') {
      return [...this.#readValue(value.from, place, optional), ...this.#readValue(value.to, place, optional)];
    }
    for (const key of value.keys) if (typeof key === 'object') this.#readValue(key, place, optional);
    if (place.bound.includes(value.root) || this.#assigned.has(value.root)) return [];
    return [this.#addField(value, place, optional)];
  }

  #addField(value: PathValue, place: Place, optional: boolean): string {
    const end = value.keys.findIndex((key) => typeof key !== 'string');
    const path = [value.root, ...value.keys.slice(0, end < 0 ? value.keys.length : end)].join('.');
    const known = this.fields.get(path);
    const copes = (known?.optional ?? true) && (optional || place.tested.some((paths) => paths.has(path)));
    this.fields.set(path, { path, line: known?.line ?? value.line, optional: copes });
    return path;
  }
}
