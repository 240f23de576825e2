/**
 * The oracle of the Liquid tests: liquidjs, which is installed for development only.
 */
import assert from 'node:assert/strict';
import { Liquid } from 'liquidjs';
import { parseLiquid } from './liquid.ts';

// liquidjs reads dates without a zone in the zone of the machine.
process.env.TZ = 'UTC';

const settings = { timezoneOffset: 0, locale: 'en-US', strictFilters: true, memoryLimit: 10_000_000 };
const plainOracle = new Liquid(settings);
const escapingOracle = new Liquid({ ...settings, outputEscape: 'escape' });

/** Throws TemplateError when Camp refuses the template, and AssertionError when it renders it differently. */
export function assertAsOracle(source: string, data: Record<string, unknown>): void {
  const template = parseLiquid(source);
  for (const escapeHtml of [false, true]) {
    const expected = renderWithOracle(source, data, escapeHtml);
    const rendered = template.compile({ escapeHtml })(data);
    if (expected !== undefined) assert.equal(rendered, expected, source);
  }
}

/** Undefined where liquidjs throws because of the data of one recipient; Camp must not. */
function renderWithOracle(
  source: string,
  data: Record<string, unknown>,
  escapeHtml: boolean,
): string | undefined {
  const engine = escapeHtml ? escapingOracle : plainOracle;
  const parsed = engine.parse(source);
  try {
    return engine.renderSync(parsed, structuredClone(data));
  } catch (error) {
    assert.match(String(error), /URI malformed|Invalid time zone|memory alloc limit/, source);
    return undefined;
  }
}
