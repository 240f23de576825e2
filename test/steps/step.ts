/** What a step of `npm test` gives back. A step that is one command counts as one test. */
export interface StepResult {
  passed: number;
  failed: number;
  skipped: number;
  /** What a person needs to see: the failures, why something was skipped, what a test wants to be known. */
  output: string;
}

export interface Step {
  name: string;
  run(): Promise<StepResult>;
}
