/**
 * Who of the endpoints may be posted to now, and how often at once: the slots of one worker. See deliveries.ts.
 *
 * Of the slots for endpoints that answer, and of those for endpoints that fail, a workspace holds no more than it leaves
 * free: half of them while it is alone, a third while there are two, and so on. So however many endpoints it has and however
 * slowly they answer, another workspace finds a slot.
 */
import type { DueEndpoint } from './queries-deliveries.ts';

export const SLOTS = 64;
export const FAILING_SLOTS = 16;
const WINDOW_MAX = 8;
/** What is at rest beyond so many is forgotten: it is known from the database, or proves itself anew. */
const LANES_KEPT = 1_000;

export interface Lane {
  workspaceId: string;
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
  room({ workspaceId, endpointId, isFailing }: DueEndpoint): number {
    const lane = this.#lanes.get(endpointId);
    const isKnownToFail = isFailing || (lane?.isFailing ?? false);
    const window = isKnownToFail ? 1 : (lane?.window ?? 1);
    return Math.min(window - (lane?.inFlight ?? 0), this.#share(workspaceId, isKnownToFail));
  }

  take({ workspaceId, endpointId, isFailing }: DueEndpoint, count: number): Lane {
    const lane = this.#lanes.get(endpointId) ?? {
      workspaceId,
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

  /** So many more, and the workspace holds as many as it leaves free. */
  #share(workspaceId: string, failing: boolean): number {
    let free = failing ? FAILING_SLOTS : SLOTS - FAILING_SLOTS;
    let held = 0;
    for (const lane of this.#lanes.values()) {
      if (lane.isFailing !== failing) continue;
      free -= lane.inFlight;
      if (lane.workspaceId === workspaceId) held += lane.inFlight;
    }
    return Math.ceil((free - held) / 2);
  }
}
