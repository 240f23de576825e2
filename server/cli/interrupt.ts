/** Ctrl-C and SIGTERM: the first asks for an orderly end, a second Ctrl-C ends at once. */
import { Scope } from '../kernel/scope.ts';
import { EXIT } from './exit-codes.ts';

/**
 * A scope that ends when the process is asked to. The listeners stay: without them, a signal during the drain would
 * kill this process in the middle of it.
 */
export function interruptScope(name: string, onFirst: () => void = () => {}): Scope {
  const scope = Scope.root(name);
  const onSignal = (signal: NodeJS.Signals) => {
    // `camp start` hears the terminal's Ctrl-C as well, and decides when its workers drain.
    if (signal === 'SIGINT' && process.connected) return;
    if (scope.ended && signal === 'SIGINT') process.exit(EXIT.interrupted);
    if (!scope.ended) onFirst();
    scope.cancel(signal);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return scope;
}

/** Started by `camp start`: that one decides when to drain, and when it is gone, this process is no longer wanted. */
export function followParent(): void {
  process.on('disconnect', () => process.exit(EXIT.interrupted));
}
