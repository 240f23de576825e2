/**
 * Compiles the tree of a template to one function from data to text.
 *
 * Literal text is transformed once, here; printed values on each render. Inside `capture` both are left plain,
 * so only what is really printed passes the writer's `output`. Blocks stop at `break` and `continue` exactly
 * where liquidjs stops: after the node that set the jump.
 */
import {
  BREAK,
  CONTINUE,
  compileFiltered,
  compileValue,
  type LoopState,
  type Names,
  type Read,
  type Run,
  UNSET,
} from './liquid-evaluation.ts';
import { escapeHtml } from './liquid-filters-text.ts';
import type { CaseNode, ForNode, Node, ParsedTemplate } from './liquid-parser.ts';
import { equals, isTruthy, nativeNumber, plain, text, toLoopList, WorkBudget } from './liquid-values.ts';
import { RenderLimit } from './template-error.ts';

export interface RenderOptions {
  /** Applied to each literal piece of text once, when the renderer is made. */
  fixed?: (text: string) => string;
  /** Applied to each printed value, after escaping. Not inside capture and assign: those hold plain text. */
  output?: (value: string) => string;
  /** Escape printed values for HTML; `| raw` as the last filter opts out. */
  escapeHtml?: boolean;
  /** Characters that one render may produce, as written out (after `fixed` and `output`). Default 1,000,000. */
  outputCharsMax?: number;
  /** Iterations over all loops of one render, and elements of one range. Default 100,000. */
  loopStepsMax?: number;
}

/** Renders one recipient's data (JSON values). Throws RenderLimit. */
export type LiquidRenderer = (data: Record<string, unknown>) => string;

const OUTPUT_CHARS_MAX = 1_000_000;
const LOOP_STEPS_MAX = 100_000;
/** Characters that filters and comparisons may read and write, and nodes that may run, in one render. */
const WORK_MAX = 10_000_000;

type Step = (run: Run) => void;
type Transform = (text: string) => string;

export function compileLiquid(template: ParsedTemplate, options: RenderOptions): LiquidRenderer {
  const compiler = new Compiler(options);
  const assigned = new Map([...template.variables].map((name) => [name, compiler.newSlot()]));
  const fixed = options.fixed ?? asItIs;
  const output = options.output ?? asItIs;
  const body = compiler.block(template.nodes, { assigned, loops: [] }, { fixed, output });
  const loopStepsMax = options.loopStepsMax ?? LOOP_STEPS_MAX;
  const slotCount = compiler.newSlot();
  return (data) => {
    const work = new WorkBudget(WORK_MAX, loopStepsMax);
    const run: Run = { data, work, slots: new Array(slotCount).fill(UNSET), out: '', jump: 0 };
    body(run);
    return run.out;
  };
}

function asItIs(text: string): string {
  return text;
}

/** How text leaves the template at one place. */
interface Writer {
  readonly fixed: Transform;
  readonly output: Transform;
}

const PLAIN: Writer = { fixed: asItIs, output: asItIs };

class Compiler {
  readonly #escape: boolean;
  readonly #outputCharsMax: number;
  #slots = 0;

  constructor(options: RenderOptions) {
    this.#escape = options.escapeHtml ?? false;
    this.#outputCharsMax = options.outputCharsMax ?? OUTPUT_CHARS_MAX;
  }

  newSlot(): number {
    return this.#slots++;
  }

  block(nodes: readonly Node[], names: Names, writer: Writer): Step {
    const steps = nodes.map((node) => this.#step(node, names, writer));
    return (run) => {
      run.work.charge(steps.length);
      for (const step of steps) {
        step(run);
        if (run.jump !== 0) return;
      }
    };
  }

  #step(node: Node, names: Names, writer: Writer): Step {
    switch (node.kind) {
      case 'text':
        return this.#text(writer.fixed(node.text));
      case 'print':
        return this.#print(node, names, writer);
      case 'assign':
        return assignStep(slotOf(node.name, names), compileFiltered(node.value, names));
      case 'capture':
        return this.#capture(node, names);
      case 'if':
        return this.#if(node, names, writer);
      case 'case':
        return this.#case(node, names, writer);
      case 'for':
        return this.#for(node, names, writer);
      case 'break':
        return (run) => {
          run.jump = BREAK;
        };
      case 'continue':
        return (run) => {
          if (run.jump === 0) run.jump = CONTINUE;
        };
    }
  }

  #text(piece: string): Step {
    return (run) => this.#write(run, piece);
  }

  #print(node: Extract<Node, { kind: 'print' }>, names: Names, writer: Writer): Step {
    const read = compileFiltered(node.value, names);
    const { output } = writer;
    if (!this.#escape || node.value.filters.at(-1)?.name === 'raw') {
      return (run) => this.#write(run, output(text(read(run), run.work)));
    }
    return (run) => this.#write(run, output(escapeHtml(text(read(run), run.work))));
  }

  #write(run: Run, piece: string): void {
    run.out += piece;
    if (run.out.length > this.#outputCharsMax) {
      throw new RenderLimit(
        `the template prints more than ${this.#outputCharsMax} characters for one recipient; make it shorter`,
      );
    }
  }

  #capture(node: Extract<Node, { kind: 'capture' }>, names: Names): Step {
    const slot = slotOf(node.name, names);
    const body = this.block(node.body, names, PLAIN);
    return (run) => {
      const before = run.out;
      run.out = '';
      body(run);
      run.slots[slot] = run.out;
      run.out = before;
    };
  }

  #if(node: Extract<Node, { kind: 'if' }>, names: Names, writer: Writer): Step {
    const branches = node.branches.map((branch) => ({
      test: compileFiltered(branch.test, names),
      wanted: !branch.negated,
      body: this.block(branch.body, names, writer),
    }));
    const otherwise = this.block(node.otherwise, names, writer);
    return (run) => {
      for (const branch of branches) {
        if (isTruthy(branch.test(run)) !== branch.wanted) continue;
        branch.body(run);
        return;
      }
      otherwise(run);
    };
  }

  /** As in liquidjs every branch that matches runs, not only the first. */
  #case(node: CaseNode, names: Names, writer: Writer): Step {
    const target = compileFiltered(node.target, names);
    const branches = node.branches.map((branch) => ({
      values: branch.values.map((value) => compileValue(value, names)),
      body: this.block(branch.body, names, writer),
    }));
    const otherwise = this.block(node.otherwise, names, writer);
    return (run) => {
      const wanted = plain(target(run));
      let matched = false;
      for (const branch of branches) {
        if (!branch.values.some((value) => equals(wanted, value(run), run.work))) continue;
        matched = true;
        branch.body(run);
      }
      if (!matched) otherwise(run);
    };
  }

  #for(node: ForNode, names: Names, writer: Writer): Step {
    const loop = { variable: node.variable, item: this.newSlot(), state: this.newSlot() };
    const body = this.block(node.body, { ...names, loops: [...names.loops, loop] }, writer);
    const otherwise = this.block(node.otherwise, names, writer);
    const list = compileValue(node.list, names);
    const cut = compileCut(node, names);
    return (run) => {
      const all = toLoopList(list(run));
      if (all.length === 0) {
        otherwise(run);
        return;
      }
      const items = cut(all, run);
      const state: LoopState = { index0: 0, length: items.length };
      run.slots[loop.state] = state;
      for (const item of items) {
        run.work.loopStep();
        run.slots[loop.item] = item;
        run.jump = 0;
        body(run);
        // A case may set the jump in one matching branch and run the next: TypeScript cannot see it.
        if ((run.jump as Run['jump']) === BREAK) break;
        state.index0++;
      }
      run.jump = 0;
    };
  }
}

function assignStep(slot: number, read: Read): Step {
  return (run) => {
    run.slots[slot] = read(run);
  };
}

function slotOf(name: string, names: Names): number {
  const slot = names.assigned.get(name);
  if (slot === undefined) throw new Error(`the parser did not list the variable ${name}`);
  return slot;
}

/** Applies offset, limit and reversed, in this order whatever the order in the template. */
function compileCut(node: ForNode, names: Names): (list: readonly unknown[], run: Run) => readonly unknown[] {
  const offset = node.offset && compileValue(node.offset, names);
  const limit = node.limit && compileValue(node.limit, names);
  if (!offset && !limit && !node.reversed) return (list) => list;
  return (list, run) => {
    run.work.charge(list.length);
    const from = offset?.(run);
    const count = limit?.(run);
    const rest = from === undefined ? list : list.slice(nativeNumber(from, run.work));
    const cut = count === undefined ? rest : rest.slice(0, nativeNumber(count, run.work));
    return node.reversed ? cut.toReversed() : cut;
  };
}
