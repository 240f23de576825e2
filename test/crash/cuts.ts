/** Where a provider cuts the connections of a campaign to it, and what its messages must say in the end: data. */
import type { Manner } from '../city/spec.ts';
import type { Prediction } from './verdicts.ts';

export interface Cut {
  name: string;
  provider: string;
  /** Of all connections (starttls), or of the first try of each message. */
  cuts: Manner['cuts'];
  /** They end when a message was deferred for them. */
  untilDeferred?: true;
  predicts: Prediction & {
    /** Claims of each message. */
    triesMin: number;
    /** Whether what arrived came encrypted. */
    tls: boolean;
  };
}

export const CUTS: readonly Cut[] = [
  {
    name: 'cut inside STARTTLS, where the provider only offers it',
    provider: 'yahoo',
    cuts: { starttls: 1 },
    predicts: { states: ['accepted'], delivered: 'yes', triesMin: 1, tls: false },
  },
  {
    name: 'cut inside STARTTLS, where we demand it',
    provider: 'google',
    cuts: { starttls: 1 },
    untilDeferred: true,
    predicts: { states: ['accepted'], delivered: 'yes', triesMin: 1, tls: true },
  },
  {
    name: 'cut before the dot',
    provider: 'google',
    cuts: { data: 1 },
    predicts: { states: ['accepted'], delivered: 'yes', triesMin: 2, tls: true },
  },
  {
    name: 'cut after the dot',
    provider: 'google',
    cuts: { dot: 1 },
    predicts: { states: ['uncertain'], delivered: 'maybe', triesMin: 1, tls: true },
  },
  {
    name: 'cut after the reply',
    provider: 'google',
    cuts: { reply: 1 },
    predicts: { states: ['accepted'], delivered: 'yes', triesMin: 1, tls: true },
  },
];
