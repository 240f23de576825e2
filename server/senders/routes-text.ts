/**
 * A route as a person writes it, and as it is stored: `relay:main*3, direct:bulk / relay:backup`.
 *
 *   relay:NAME    through a relay of the workspace (`relay:relay`: the one of SMTP_URL)
 *   direct        to the MX hosts of the recipients, from the pool `default`; direct:POOL from another
 *   *WEIGHT       its share among the ways of its level; 1 when it does not say
 *   /             what follows is the next level: for when nothing of the one before is usable
 */
import { checkName, RouteRefused, readWeight } from './route-names.ts';

/** The pool of a direct way that names none, and of a source that names none. */
export const DEFAULT_POOL = 'default';

/** A relay or a pool by its name, with a share. */
export interface Way {
  readonly kind: 'relay' | 'direct';
  /** Of the relay, or of the pool. */
  readonly name: string;
  readonly weight: number;
}

/** Ways by level. Throws RouteRefused. */
export function parseRoute(text: string): Way[][] {
  const levels = text.split('/').map((level) => level.split(',').map((way) => parseWay(way.trim())));
  const seen = new Set<string>();
  for (const way of levels.flat()) {
    const name = nameOfWay(way);
    if (seen.has(name))
      throw new RouteRefused(`The route has ${name} twice: once, with a weight, is enough.`);
    seen.add(name);
  }
  return levels;
}

export function formatRoute(levels: readonly (readonly Way[])[]): string {
  return levels.map((ways) => ways.map(formatWay).join(', ')).join(' / ');
}

/** How a person would write the way without its weight. */
export function nameOfWay({ kind, name }: Pick<Way, 'kind' | 'name'>): string {
  return kind === 'direct' && name === DEFAULT_POOL ? 'direct' : `${kind}:${name}`;
}

const WAY = /^(relay|direct)(?::([^*\s]+))?(?:\*(\d+))?$/;

function parseWay(text: string): Way {
  const [, kind, name, weightText = '1'] = WAY.exec(text) ?? [];
  if ((kind === 'relay' && name === undefined) || kind === undefined)
    throw new RouteRefused(
      `"${text}" is no way out: write relay:NAME, direct or direct:POOL, with *WEIGHT behind it or without, commas between and / before a fall-back.`,
    );
  const weight = readWeight(weightText);
  if (kind === 'relay') return { kind, name: checkName(name ?? '', 'relay'), weight };
  return { kind: 'direct', name: name === undefined ? DEFAULT_POOL : checkName(name, 'pool'), weight };
}

function formatWay(way: Way): string {
  return way.weight === 1 ? nameOfWay(way) : `${nameOfWay(way)}*${way.weight}`;
}
