/** A relay that is away for a while in the middle of a campaign, in each of the ways in which relays are. */
import type { Rig } from '../support/rig.ts';
import type { SinkBehaviour } from '../support/sink.ts';

export const OUTAGES = ['refuse', 'silent', 'busy'] as const satisfies SinkBehaviour['door'][];

export interface OutageReport {
  /** Connections that the sink took during the outage; refused ones never reach it. */
  connections: number;
  /** Pauses of the route, over all workers, which is one more than the probes that failed. */
  pauses: number;
}

/** Needs running workers and a campaign under way; ends when the relay is well again. */
export async function outage(
  rig: Rig,
  door: (typeof OUTAGES)[number],
  outageMs: number,
): Promise<OutageReport> {
  const before = await rig.sink.behave({ door });
  const pausesBefore = pauses(rig);
  await new Promise((resolve) => setTimeout(resolve, outageMs));
  const { connections } = await rig.sink.report();
  await rig.sink.behave({ door: 'open' });
  return { connections: connections - before.connections, pauses: pauses(rig) - pausesBefore };
}

function pauses(rig: Rig): number {
  const lines = [...rig.installation.workers].flatMap((worker) => worker.log);
  return lines.filter((line) => line.event === 'route_paused').length;
}
