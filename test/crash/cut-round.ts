/** One campaign to the city while one of its providers cuts connections, and what is to be seen when it has finished. */
import type { MessageRecord } from '../city/ledger.ts';
import { until } from '../support/campaign.ts';
import type { CityRig } from './city-rig.ts';
import type { Cut } from './cuts.ts';
import { describe, judgeEnd, judgeMoment, judgePrediction, type Round, type Row } from './verdicts.ts';

export async function cutRound(rig: CityRig, cut: Cut): Promise<Round> {
  const people = rig.invite();
  const addresses = people.filter(({ provider }) => provider === cut.provider).map(({ email }) => email);
  await rig.city.control(cut.provider, { cuts: cut.cuts });
  const campaignId = await rig.send(people);
  const worker = rig.workers.startSafe();
  if (cut.untilDeferred) {
    await deferral(rig, campaignId, addresses);
    await rig.city.control(cut.provider, { cuts: {} });
  }
  const { look, violations } = await rig.finish(worker, campaignId);
  await rig.city.control(cut.provider, { cuts: {} });
  const struck = look.rows.filter(({ email }) => addresses.includes(email));
  const doubtful = cut.predicts.states.includes('uncertain') ? addresses : [];
  return {
    seen: struck.map((row) => describe(row, look)),
    violations: [
      ...violations,
      ...judgeMoment(look, people.length),
      ...judgePrediction(struck, look, cut.predicts),
      ...judgeEnd(look.rows, doubtful),
      ...judgeTries(struck, await rig.city.records(), cut.predicts),
    ],
  };
}

/** Nothing can be accepted there yet, so it is for the cuts. */
async function deferral(rig: CityRig, campaignId: string, addresses: readonly string[]): Promise<void> {
  await until(async () => {
    const { rows } = await rig.look(campaignId);
    return rows.some(({ email, deferrals }) => addresses.includes(email) && deferrals > 0);
  }, 'a message that is deferred for the cuts');
}

/** However often a message was tried, its dot came once: what came after a cut was never a second dot. */
function judgeTries(
  rows: readonly Row[],
  arrived: readonly MessageRecord[],
  { triesMin, tls }: Cut['predicts'],
): string[] {
  return rows.flatMap(({ email, attempt }) => {
    const [first, ...more] = arrived.filter(({ recipient }) => recipient === email);
    return [
      ...(attempt >= triesMin ? [] : [`${email} was claimed ${attempt} times, not ${triesMin}`]),
      ...(first && more.length === 0
        ? []
        : [`the dot to ${email} came ${more.length + (first ? 1 : 0)} times`]),
      ...(first?.tls === tls ? [] : [`${email} got it ${first?.tls ? 'encrypted' : 'in clear'}`]),
    ];
  });
}
