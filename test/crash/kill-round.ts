/**
 * One campaign to the city whose worker dies at a point, and what is to be seen then: at the death, after the recovery, and
 * when another worker has sent the rest.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from '../support/processes.ts';
import type { CityRig, Person } from './city-rig.ts';
import type { CrashPoint } from './points.ts';
import {
  describe,
  judgeEnd,
  judgeMoment,
  judgePrediction,
  judgeRecovery,
  judgeShares,
  type Look,
  type Round,
} from './verdicts.ts';

/** A worker that has not come to its point by then passes it by. */
const DEATH_MS_MAX = 20_000;

interface Death {
  workerId: string;
  /** Addresses in hand, or @domain; empty when it did not come to its point. */
  inHand: string[];
  lastWords: string;
  look: Look;
}

export async function killRound(rig: CityRig, point: CrashPoint, random: () => number): Promise<Round> {
  const people = rig.invite();
  const at = chosen(point, people, random);
  const sending = rig.send(people);
  const deaths: Death[] = [];
  if (point.afterDeathAt) deaths.push(await death(rig, sending, point.afterDeathAt, at));
  const last = await death(rig, sending, point.name, at);
  deaths.push(last);
  const campaignId = await sending;
  await rig.recoverDead();
  const recovered = await rig.look(campaignId);
  const end = await rig.finish(rig.workers.startSafe(), campaignId);
  const shares = await rig.shares();
  const struck = recovered.rows.filter(({ email }) => last.inHand.some((one) => email.endsWith(one)));
  return {
    seen: struck.map((row) => describe(row, recovered)),
    violations: [
      ...deaths.flatMap(({ inHand, lastWords }) =>
        inHand.length > 0 ? [] : [`a worker did not come there; it said: ${lastWords}`],
      ),
      ...judgeMoment(last.look, people.length),
      ...judgeRecovery(last.look.rows, recovered.rows),
      ...judgeMoment(recovered, people.length),
      ...judgePrediction(struck, recovered, point.predicts),
      ...end.violations,
      ...judgeMoment(end.look, people.length),
      ...judgeEnd(end.look.rows, committingAt(deaths)),
      ...judgeShares(shares, deaths, lanesUsed(recovered, end.look)),
    ],
  };
}

/** Whose message it is, as strike.ts wants to know it. */
function chosen({ strikes }: CrashPoint, people: readonly Person[], random: () => number): string {
  const candidates = people.filter(
    ({ deferred, tls }) =>
      (strikes !== 'deferred person' || deferred) && (strikes !== 'provider with TLS' || tls),
  );
  const { email = '' } = candidates[Math.floor(random() * candidates.length)] ?? {};
  return strikes.startsWith('provider') ? email.slice(email.indexOf('@')) : email;
}

async function death(rig: CityRig, sending: Promise<string>, point: string, at: string): Promise<Death> {
  const worker = await rig.workers.startArmed(point, at);
  const campaignId = await sending;
  await Promise.race([worker.exited, sleep(DEATH_MS_MAX, undefined, { ref: false })]);
  const { lastWords } = await worker.end('SIGKILL');
  await rig.settled();
  return { ...logged(worker), lastWords, look: await rig.look(campaignId) };
}

function logged({ log }: Worker): Pick<Death, 'workerId' | 'inHand'> {
  const lineOf = (event: string) => log.find((line) => line.event === event);
  const struck = lineOf('crashed')?.struck;
  return {
    workerId: String(lineOf('worker_started')?.worker),
    inHand: Array.isArray(struck) ? struck.map(String) : [],
  };
}

/** Of these nobody can know. */
function committingAt(deaths: readonly Death[]): string[] {
  const rows = deaths.flatMap(({ look }) => look.rows);
  return rows.filter(({ state }) => state === 'committing').map(({ email }) => email);
}

/** By the worker that sent what waited. */
function lanesUsed(recovered: Look, end: Look): Set<number> {
  const waited = recovered.rows.filter(({ state }) => state === 'queued' || state === 'deferred');
  const addresses = new Set(waited.map(({ email }) => email));
  return new Set(end.rows.filter(({ email }) => addresses.has(email)).map(({ lane }) => lane));
}
