/**
 * What a template can do wrong, in words for the person who wrote it.
 *
 * `TemplateError` is found before the first message is made: it names the source and the place.
 * `RenderLimit` is found while one message is rendered: the template asks for more than a mail may cost.
 * Both messages are one sentence that can be shown as they are.
 */

/** A place in a template. Lines and columns count from 1. */
export interface TemplatePlace {
  readonly source: string;
  readonly line: number;
  readonly column: number;
}

/** A template that cannot be used. `message` reads `welcome.mjml line 12: what is wrong; what to do`. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
  readonly source: string;
  readonly line: number;
  readonly column: number;
  /** `message` without the place. */
  readonly problem: string;
  constructor(place: TemplatePlace, problem: string) {
    super(`${place.source} line ${place.line}: ${problem}`);
    this.source = place.source;
    this.line = place.line;
    this.column = place.column;
    this.problem = problem;
  }
}

/** A render that went over one of its limits (output, loop steps or work). */
export class RenderLimit extends Error {
  override readonly name = 'RenderLimit';
}
