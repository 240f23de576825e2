/**
 * Workers of a copy of the program, which send straight to a city: armed ones, each in a process of its own that dies at its
 * point, and others in this process, which are there at once because the program has been read.
 */
import { join } from 'node:path';
import { readConfig } from '../../server/kernel/config.ts';
import { createLog } from '../../server/kernel/log.ts';
import { Scope } from '../../server/kernel/scope.ts';
import type { City } from '../city/city.ts';
import { Installation, type Worker } from '../support/processes.ts';
import { cityEnv } from '../system/city-run.ts';
import { changedCopy } from './copy.ts';
import { CHANGES } from './points.ts';
// The copy calls it in this process too, where nothing is armed.
import './strike.ts';

const CONNECTIONS = 12;

type Program = typeof import('../../server/cli/worker.ts');

/** A worker that nothing happens to. */
export interface SafeWorker {
  /** As SIGTERM does it; gives why it ended by itself, if it did. */
  drain(): Promise<string[]>;
}

export class CityWorkers {
  readonly #databaseUrl: string;
  readonly #env: Record<string, string>;
  readonly #program: Program;
  readonly #installation: Installation;

  private constructor(databaseUrl: string, env: Record<string, string>, root: string, program: Program) {
    this.#databaseUrl = databaseUrl;
    this.#env = env;
    this.#program = program;
    this.#installation = new Installation({ databaseUrl, smtpUrl: '', root, env });
  }

  /** Makes the copy. */
  static async prepare(folder: string, databaseUrl: string, city: City): Promise<CityWorkers> {
    const env = { ...cityEnv(city), CAMP_MX_CONNECTIONS: String(CONNECTIONS) };
    const root = await changedCopy(folder, CHANGES);
    return new CityWorkers(databaseUrl, env, root, await import(join(root, 'server/cli/worker.ts')));
  }

  /** It dies at the point when it comes there with that message in hand: see strike.ts. */
  startArmed(point: string, at: string): Promise<Worker> {
    return this.#installation.startWorker(CONNECTIONS, { CAMP_CRASH_POINT: point, CAMP_CRASH_AT: at });
  }

  startSafe(): SafeWorker {
    const scope = Scope.root('safe worker');
    const config = { ...readConfig(this.#env), databaseUrl: this.#databaseUrl };
    const ended = this.#program.runWorker({ config, log: createLog('silent'), scope }).then(
      () => [],
      (error: unknown) => [`a worker ended by itself: ${error}`],
    );
    return {
      drain() {
        scope.cancel('drain');
        return ended;
      },
    };
  }

  stop(): Promise<void> {
    return this.#installation.stop();
  }
}
