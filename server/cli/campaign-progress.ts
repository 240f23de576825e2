/**
 * A campaign's progress: two live lines on a terminal, a plain line every two seconds elsewhere.
 *
 * Done is what will not be tried again. The rate is that of the last seconds, so that it follows a relay that slows down.
 */
import { MultiBar, type SingleBar } from 'cli-progress';
import type { CampaignStatus } from '../campaigns/status.ts';
import { count, type Output } from './output.ts';

const LINE_EVERY_MS = 2_000;
/** A line that says nothing new comes this seldom. */
const SAME_LINE_EVERY_MS = 30_000;
const RATE_OVER_MS = 4_000;

export interface CampaignProgress {
  update(status: CampaignStatus): void;
  stop(): void;
}

export function startCampaignProgress(out: Output): CampaignProgress {
  const meter = new Meter();
  const show = process.stderr.isTTY ? drawBars() : writeLines(out);
  return {
    update(status) {
      show.update(meter.measure(status));
    },
    stop: () => show.stop(),
  };
}

interface Measured {
  state: string;
  audience: number;
  done: number;
  perSecond: number;
  /** Undefined: cannot be told yet. */
  secondsLeft: number | undefined;
  counts: string;
}

interface View {
  update(measured: Measured): void;
  stop(): void;
}

class Meter {
  readonly #samples: { atMs: number; done: number }[] = [];

  measure({ campaign, counts }: CampaignStatus): Measured {
    const { accepted, deferred, rejected, uncertain, queued, claimed, committing } = counts;
    const waiting = queued + claimed + committing;
    const done = campaign.audience - waiting - deferred;
    const perSecond = this.#rate(done);
    const { suppressed, cancelled, expired } = counts;
    const rare = Object.entries({ suppressed, cancelled, expired }).filter(([, n]) => n > 0);
    const shown = [
      ...Object.entries({ accepted, deferred, rejected, uncertain }),
      ...rare,
      ['waiting', waiting] as const,
    ];
    return {
      state: campaign.state,
      audience: campaign.audience,
      done,
      perSecond,
      secondsLeft: perSecond > 0 ? (campaign.audience - done) / perSecond : undefined,
      counts: shown.map(([name, n]) => `${name} ${count(n)}`).join('  '),
    };
  }

  #rate(done: number): number {
    const atMs = performance.now();
    this.#samples.push({ atMs, done });
    while (this.#samples.length > 2 && atMs - (this.#samples[0]?.atMs ?? atMs) > RATE_OVER_MS)
      this.#samples.shift();
    const [oldest] = this.#samples;
    const elapsedMs = atMs - (oldest?.atMs ?? atMs);
    return oldest && elapsedMs > 0 ? Math.max(0, ((done - oldest.done) / elapsedMs) * 1_000) : 0;
  }
}

function drawBars(): View {
  const bars = new MultiBar({
    stream: process.stderr,
    hideCursor: true,
    linewrap: true,
    gracefulExit: false,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 24,
    autopadding: true,
  });
  let lines: SingleBar[] = [];
  return {
    update({ state, audience, done, perSecond, secondsLeft, counts }) {
      if (audience === 0) return;
      if (lines.length === 0)
        lines = [
          bars.create(
            audience,
            done,
            {},
            { format: '  {state} {bar} {percentage} %  {done}  {rate} msg/s  ETA {left}' },
          ),
          bars.create(audience, done, {}, { format: '  {counts}' }),
        ];
      const payload = {
        state: state.padEnd(9),
        done: `${count(done)} of ${count(audience)}`,
        rate: count(perSecond),
        left: duration(secondsLeft),
        counts,
      };
      for (const line of lines) {
        line.setTotal(audience);
        line.update(done, payload);
      }
    },
    stop: () => bars.stop(),
  };
}

function writeLines(out: Output): View {
  let unwritten: Measured | undefined;
  let written = { counts: '', atMs: Number.NEGATIVE_INFINITY };
  const write = ({ state, audience, done, perSecond, secondsLeft, counts }: Measured) => {
    written = { counts, atMs: performance.now() };
    unwritten = undefined;
    const speed = `${count(perSecond)} msg/s, ETA ${duration(secondsLeft)}`;
    out.say(`  ${state} ${count(done)} of ${count(audience)}: ${counts}  (${speed})`);
  };
  return {
    update(measured) {
      if (measured.audience === 0) return;
      unwritten = measured;
      const everyMs = measured.counts === written.counts ? SAME_LINE_EVERY_MS : LINE_EVERY_MS;
      if (performance.now() - written.atMs >= everyMs) write(measured);
    },
    stop: () => unwritten && write(unwritten),
  };
}

function duration(secondsLeft: number | undefined): string {
  if (secondsLeft === undefined) return '–';
  const whole = Math.round(secondsLeft);
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
}
