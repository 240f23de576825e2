/**
 * Signing: the whole path with an RSA-2048 signature on every message, beside all the signatures that the machine can
 * make while it does nothing else.
 *
 * As in send.ts every campaign runs between two runs of the yardstick, and the median of the rounds counts. The ratio
 * says as much about the machine as about Camp: the faster a signature, the more weighs all that is not one. So what a
 * message and a signature cost is told too.
 */
import { sign } from 'node:crypto';
import { loadSecrets } from '../server/kernel/secrets.ts';
import { activate } from '../server/senders/dkim-keys.ts';
import { addDomain, dkimKeysOf } from '../server/senders/domains.ts';
import { keysOfDomains } from '../server/senders/queries.ts';
import type { DkimKey } from '../server/smtp/dkim.ts';
import type { Bench, Report } from './bench.ts';
import { type CampRun, CONNECTIONS, sendToAll, throughRelay } from './camp-run.ts';
import { type BenchDatabase, createDatabase } from './database.ts';
import { quantile, rounded } from './figures.ts';
import { startSink } from './postfix.ts';
import { SENDER } from './sample-mail.ts';

const WORKERS = 1;
const ROUNDS = 3;
const SIGNING_MS = 3_000;
/** What is signed of the sample mail: its fields, relaxed. */
const SIGNED = Buffer.alloc(1_000, 'a');

interface Signing {
  perS: number;
  cpuMs: number;
}

interface Round {
  camp: CampRun;
  /** Mean of the run before and the run after. */
  signing: Signing;
}

export async function benchDkim(bench: Bench): Promise<Report> {
  const sink = await startSink(bench);
  await using made = await createDatabase(bench, bench.recipients);
  const key = await startSigning(made);
  bench.say('signatures alone');
  let before = await signAlone(key);
  const rounds: Round[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    bench.say(`Camp, round ${round} of ${ROUNDS}`);
    const camp = await sendToAll(bench, made, bench.recipients, throughRelay(sink, WORKERS));
    const after = await signAlone(key);
    rounds.push({ camp, signing: mean(before, after) });
    before = after;
  }
  return report(rounds);
}

/** From now on mail of the sample's sender is signed with this key. */
async function startSigning({ database, workspaceId }: BenchDatabase): Promise<DkimKey> {
  const secrets = await loadSecrets(database, undefined);
  return database.withWorkspace(workspaceId, async (tx) => {
    const domain = await addDomain(tx, secrets, workspaceId, domainOfSender(), ['rsa-sha256']);
    for (const { selector } of await keysOfDomains(tx, workspaceId, [domain]))
      await activate(tx, { workspaceId, domain, selector });
    const [key] = await dkimKeysOf(tx, secrets, workspaceId, domain);
    if (!key) throw new Error(`No key signs for ${domain}.`);
    return key;
  });
}

function domainOfSender(): string {
  return SENDER.email.slice(SENDER.email.indexOf('@') + 1);
}

/** As many under way as the worker has messages under way. */
async function signAlone({ key }: DkimKey): Promise<Signing> {
  const [startedAt, cpu] = [performance.now(), process.cpuUsage()];
  let signed = 0;
  const keepSigning = async () => {
    for (; performance.now() < startedAt + SIGNING_MS; signed += 1) await signOnce(key);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, keepSigning));
  const { user, system } = process.cpuUsage(cpu);
  return {
    perS: (signed / (performance.now() - startedAt)) * 1_000,
    cpuMs: (user + system) / 1_000 / signed,
  };
}

function signOnce(key: DkimKey['key']): Promise<void> {
  return new Promise((resolve, reject) =>
    sign('sha256', SIGNED, key, (error) => (error ? reject(error) : resolve())),
  );
}

function mean(a: Signing, b: Signing): Signing {
  return { perS: (a.perS + b.perS) / 2, cpuMs: (a.cpuMs + b.cpuMs) / 2 };
}

function report(rounds: Round[]): Report {
  const of = (value: (round: Round) => number) => quantile(rounds.map(value), 0.5);
  const json = {
    recipients: rounds[0]?.camp.recipients ?? 0,
    ratio_dkim: rounded(
      of(({ camp, signing }) => camp.sendingPerS / signing.perS),
      3,
    ),
    messages_per_s_signed: rounded(of(({ camp }) => camp.sendingPerS)),
    signatures_per_s: rounded(of(({ signing }) => signing.perS)),
    signature_cpu_ms: rounded(
      of(({ signing }) => signing.cpuMs),
      4,
    ),
    worker_cpu_ms_per_message: rounded(
      of(({ camp }) => camp.workerCpuMs / camp.recipients),
      4,
    ),
    postgres_cpu_ms_per_message: rounded(
      of(({ camp }) => camp.postgresCpuMs / camp.recipients),
      4,
    ),
  };
  const table = [
    ['messages/s, signed, without the freeze', json.messages_per_s_signed],
    ['signatures/s of the machine', json.signatures_per_s],
    ['ratio', json.ratio_dkim],
    [],
    ['recipients', json.recipients],
    ['processor ms of a signature', json.signature_cpu_ms],
    ['worker, processor ms a message, the signature included', json.worker_cpu_ms_per_message],
    ['Postgres, processor ms a message', json.postgres_cpu_ms_per_message],
  ];
  return { table, json };
}
