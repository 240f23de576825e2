/**
 * Sending: Camp's whole path beside smtp-source and nodemailer, in one run on one machine.
 *
 * A shared machine is not equally fast for two minutes. So every campaign runs between two runs of smtp-source and is
 * compared with their mean, and the median of the rounds counts.
 */
import type { Bench, Report } from './bench.ts';
import { type CampRun, runCampaign } from './camp-run.ts';
import { quantile, rounded } from './figures.ts';
import { nodemailerRate } from './nodemailer-pool.ts';
import { smtpSourceRate, startSink } from './postfix.ts';
import { sampleMail } from './sample-mail.ts';

const ROUNDS = 3;
const NODEMAILER_SHARE = 20;
const NODEMAILER_MAX = 10_000;

interface Round {
  camp: CampRun;
  /** Mean of the run before and the run after. */
  smtpSourcePerS: number;
}

export async function benchSend(bench: Bench): Promise<Report> {
  const sink = await startSink(bench);
  const mail = await sampleMail();
  const source = () => smtpSourceRate(bench, sink, { bytes: mail.bytes, messages: bench.recipients });
  bench.say('smtp-source');
  let before = await source();
  const rounds: Round[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    bench.say(`Camp, round ${round} of ${ROUNDS}`);
    const camp = await runCampaign(bench, sink, bench.recipients);
    const after = await source();
    rounds.push({ camp, smtpSourcePerS: (before + after) / 2 });
    before = after;
  }
  bench.say('nodemailer');
  const messages = Math.min(NODEMAILER_MAX, Math.ceil(bench.recipients / NODEMAILER_SHARE));
  return report(mail.bytes, rounds, await nodemailerRate(sink, mail, messages));
}

function report(mailBytes: number, rounds: Round[], nodemailerPerS: number): Report {
  const of = (value: (round: Round) => number) => quantile(rounds.map(value), 0.5);
  const recipients = rounds[0]?.camp.recipients ?? 0;
  const json = {
    recipients,
    mail_bytes: mailBytes,
    ratio_smtp_source: rounded(
      of(({ camp, smtpSourcePerS }) => camp.messagesPerS / smtpSourcePerS),
      3,
    ),
    ratio_smtp_source_without_freeze: rounded(
      of((round) => round.camp.sendingPerS / round.smtpSourcePerS),
      3,
    ),
    ratio_nodemailer: rounded(
      of(({ camp }) => camp.messagesPerS / nodemailerPerS),
      1,
    ),
    messages_per_s: rounded(of(({ camp }) => camp.messagesPerS)),
    messages_per_s_without_freeze: rounded(of(({ camp }) => camp.sendingPerS)),
    smtp_source_per_s: rounded(of(({ smtpSourcePerS }) => smtpSourcePerS)),
    nodemailer_per_s: rounded(nodemailerPerS),
    peak_rss_mb: rounded(Math.max(...rounds.map(({ camp }) => camp.peakRssMb))),
    cpu_ms_per_message: rounded(
      of(({ camp }) => (camp.workerCpuMs + camp.postgresCpuMs) / recipients),
      4,
    ),
    worker_cpu_ms_per_message: rounded(
      of(({ camp }) => camp.workerCpuMs / recipients),
      4,
    ),
    postgres_cpu_ms_per_message: rounded(
      of(({ camp }) => camp.postgresCpuMs / recipients),
      4,
    ),
  };
  const table = [
    ['', 'messages/s', '× smtp-source', '× nodemailer'],
    ['(a) smtp-source -d', json.smtp_source_per_s, 1],
    [
      '(b) nodemailer pool',
      json.nodemailer_per_s,
      rounded(json.nodemailer_per_s / json.smtp_source_per_s, 3),
      1,
    ],
    ['(c) Camp, from send to finished', json.messages_per_s, json.ratio_smtp_source, json.ratio_nodemailer],
    [
      '    the same without the freeze',
      json.messages_per_s_without_freeze,
      json.ratio_smtp_source_without_freeze,
    ],
    [],
    ['recipients', recipients],
    ['bytes of a mail', mailBytes],
    ['worker, memory at its peak, MB', json.peak_rss_mb],
    ['worker, processor ms a message', json.worker_cpu_ms_per_message],
    ['Postgres, processor ms a message', json.postgres_cpu_ms_per_message],
  ];
  return { table, json };
}
