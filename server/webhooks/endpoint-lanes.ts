/** Who of the endpoints may be posted to now, and how often at once: the slots of one worker. See deliveries.ts. */
import type { DueEndpoint } from './queries-deliveries.ts';

export const SLOTS = 64;
export const FAILING_SLOTS = 16;
const WINDOW_MAX = 8;
/** What is at rest beyond so many is forgotten: it is known from the database, or proves itself anew. */
const LANES_KEPT = 1_000;

export interface Lane {
  endpointId: string;
  /** How many at once. */
  window: number;
  inFlight: number;
  isFailing: boolean;
  /** Turns are counted. */
  servedAt: number;
}

export class EndpointLanes {
  readonly #lanes = new Map<string, Lane>();
  #turns = 0;

  /** Those that had no turn for the longest first. */
  inTurn(due: readonly DueEndpoint[]): DueEndpoint[] {
    const servedAt = ({ endpointId }: DueEndpoint) => this.#lanes.get(endpointId)?.servedAt ?? 0;
    return due.toSorted((a, b) => servedAt(a) - servedAt(b));
  }

  /** How many may be begun; 0 or less: none. */
  room({ endpointId, isFailing }: DueEndpoint): number {
    const lane = this.#lanes.get(endpointId);
    const isKnownToFail = isFailing || (lane?.isFailing ?? false);
    const slots = isKnownToFail ? FAILING_SLOTS : SLOTS - FAILING_SLOTS;
    const window = isKnownToFail ? 1 : (lane?.window ?? 1);
    return Math.min(window - (lane?.inFlight ?? 0), slots - this.#taken(isKnownToFail));
  }

  take({ endpointId, isFailing }: DueEndpoint, count: number): Lane {
    const lane = this.#lanes.get(endpointId) ?? {
      endpointId,
      window: 1,
      inFlight: 0,
      isFailing,
      servedAt: 0,
    };
    this.#lanes.set(endpointId, lane);
    this.#turns += 1;
    lane.servedAt = this.#turns;
    lane.inFlight += count;
    lane.isFailing ||= isFailing;
    return lane;
  }

  /** Slots that nothing was due for. */
  giveBack(lane: Lane, count: number): void {
    lane.inFlight -= count;
  }

  end(lane: Lane, succeeded: boolean): void {
    lane.inFlight -= 1;
    lane.isFailing = !succeeded;
    lane.window = succeeded ? Math.min(WINDOW_MAX, lane.window + 1) : 1;
    if (this.#lanes.size > LANES_KEPT) this.#forget();
  }

  #forget(): void {
    for (const [id, { inFlight }] of this.#lanes) if (inFlight === 0) this.#lanes.delete(id);
  }

  #taken(failing: boolean): number {
    let taken = 0;
    for (const lane of this.#lanes.values()) if (lane.isFailing === failing) taken += lane.inFlight;
    return taken;
  }
}
