/**
 * Liquid, compiled to closures: the personalisation language of subjects and bodies.
 *
 * Before: the author's template text. After: a function from one recipient's data to text, called once for
 * every message, so all that does not depend on the recipient is done here, once.
 *
 * Invariants
 * - What is accepted renders exactly as liquidjs 10.30 renders it (the oracle of the tests); everything else
 *   is refused by `parseLiquid` with a TemplateError that names the line. A render fails only with RenderLimit.
 * - Data are JSON values, and only own properties of them can be read.
 * - A render ends: output, loop steps, work and nesting are bounded, whatever the template says.
 *
 * lexer (text, holes, tags) -> parser (tree) -> compiler (closures); values and filters hold the semantics.
 */
import { compileLiquid, type LiquidRenderer, type RenderOptions } from './liquid-compiler.ts';
import { findMergeFields, type MergeField } from './liquid-fields.ts';
import { parseTemplate } from './liquid-parser.ts';

export type { LiquidRenderer, MergeField, RenderOptions };

export interface LiquidTemplate {
  /** Each path that is read from the data, once, in order of first use. */
  readonly fields: readonly MergeField[];
  /** True when every render gives the same text: no holes and no tags that act. */
  readonly constant: boolean;
  compile(options?: RenderOptions): LiquidRenderer;
}

export interface ParseOptions {
  /** What the messages call this template, for example its file name. Default `template`. */
  name?: string;
  /** Added to line numbers, for text that was cut out of a larger file. */
  lineOffset?: number;
}

/** Reads a template. Throws TemplateError for anything that it would not render as liquidjs does. */
export function parseLiquid(source: string, options: ParseOptions = {}): LiquidTemplate {
  const parsed = parseTemplate(source, options.name ?? 'template', options.lineOffset ?? 0);
  return {
    fields: findMergeFields(parsed.nodes),
    constant: parsed.nodes.every((node) => node.kind === 'text'),
    compile: (renderOptions = {}) => compileLiquid(parsed, renderOptions),
  };
}
