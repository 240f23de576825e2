/** A relay that is away for a while in the middle of a campaign, in each of the ways in which relays are. */
import type { Rig } from '../support/rig.ts';
import type { SinkBehaviour } from '../support/sink.ts';
import { keepBusy, type PhaseContext, type PhaseEnd, startWorkers } from './phases.ts';

export const OUTAGES = ['refuse', 'silent', 'busy'] as const satisfies SinkBehaviour['door'][];

type Door = (typeof OUTAGES)[number];

/** Base and cap of the route's pauses (queue/route-health.ts); a pause is at least a tenth of its step. */
const PAUSE_MS_BASE = 500;
const PAUSE_MS_CAP = 30_000;

interface OutageReport {
  /** Connections that the sink took during the outage; refused ones never reach it. */
  connections: number;
  /** Pauses of the route, over all workers, which is one more than the probes that failed. */
  pauses: number;
}

/** One campaign for each kind of outage. */
export async function outagePhase(
  context: PhaseContext,
  doors: readonly Door[],
  outageMs: number,
): Promise<PhaseEnd> {
  const { rig, connections, say } = context;
  const violations: string[] = [];
  await startWorkers(context);
  const workers = rig.installation.workers.size;
  for (const door of doors) {
    await keepBusy(context);
    const { connections: tried, pauses } = await outage(rig, door, outageMs);
    say(`${door} for ${outageMs / 1000} s: ${tried} connections, ${pauses} pauses of the route`);
    if (pauses > pausesMax(outageMs)) violations.push(`${door}: the route was tried again ${pauses} times`);
    // Every connection may come back once before the first pause holds, then each worker probes after each pause.
    if (tried > workers * (connections + pauses))
      violations.push(`${door}: ${tried} connections were made to a relay that was away`);
    await rig.finished(outageMs + 300_000);
  }
  return { uncertainMax: doors.length * workers * connections, violations };
}

/** Even if every pause is as short as the jitter can make it. */
function pausesMax(outageMs: number): number {
  let [pausedMs, count] = [0, 0];
  for (; pausedMs < outageMs; count++) pausedMs += 0.1 * Math.min(PAUSE_MS_CAP, PAUSE_MS_BASE * 2 ** count);
  return count;
}

async function outage(rig: Rig, door: Door, outageMs: number): Promise<OutageReport> {
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
