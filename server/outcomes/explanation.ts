/** What a reply means to Camp, for a person: its classification, and how much of the like suppresses an address. */
import type { Classification } from '../smtp/classification.ts';
import { SUPPRESS_AFTER, troubleOf } from './trouble.ts';

/** The action as a word, times in seconds, and how often it must happen before the address is suppressed. */
export function explanationOf(found: Classification) {
  const { class: kind, fault, duration, action, waitMs, rule, source } = found;
  const trouble = troubleOf(found);
  return {
    class: kind,
    fault,
    duration,
    action: action.kind,
    action_seconds: 'forMs' in action ? action.forMs / 1_000 : null,
    wait_seconds: waitMs === null ? null : waitMs / 1_000,
    suppress_after: trouble && SUPPRESS_AFTER[trouble],
    rule,
    source,
  };
}
