/** Memory of a worker: the same for a small campaign as for a large one. */
import type { Bench, Report } from './bench.ts';
import { runCampaign } from './camp-run.ts';
import { startSink } from './postfix.ts';

const SMALL_RECIPIENTS = 10_000;

export async function benchMemory(bench: Bench): Promise<Report> {
  const sink = await startSink(bench);
  const memory = [];
  for (const recipients of [Math.min(SMALL_RECIPIENTS, bench.recipients), bench.recipients]) {
    bench.say(`a campaign of ${recipients}`);
    const { peakRssMb } = await runCampaign(bench, sink, recipients);
    memory.push({ recipients, peak_rss_mb: Math.round(peakRssMb) });
  }
  const rows = memory.map((run) => [run.recipients, run.peak_rss_mb]);
  return { table: [['recipients', 'worker, MB at its peak'], ...rows], json: { memory } };
}
