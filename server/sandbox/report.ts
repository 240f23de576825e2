/** What the sandbox's process and the one that started it say to each other. */
import type { FailureKind } from './failures.ts';

export interface SandboxReport {
  accepted: number;
  acceptedDistinctRecipients: number;
  /** Messages that the same recipient got again. */
  duplicates: number;
  byFailure: Record<FailureKind, number>;
}

export type FromSandbox =
  | { kind: 'ready'; port: number }
  | { kind: 'failed'; error: string }
  | { kind: 'report'; report: SandboxReport };
