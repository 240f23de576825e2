/** Answers as bytes: rendered once, so that what is sent and what is kept for a replay are the same. */
import { Readable } from 'node:stream';
import type { Answer } from './endpoint.ts';
import { PROBLEM_TYPE, type Problem } from './problem.ts';

export interface Rendered {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: Buffer | Readable;
}

export function render({ status, headers = {}, body }: Answer): Rendered {
  if (body === null) return { status, headers, body: Buffer.alloc(0) };
  if (typeof body === 'string' || Buffer.isBuffer(body)) return { status, headers, body: Buffer.from(body) };
  if (body instanceof Readable) return { status, headers, body };
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: Buffer.from(JSON.stringify(body)),
  };
}

export function answerOf(problem: Problem, requestId: string): Answer {
  return {
    status: problem.status,
    headers: { 'content-type': PROBLEM_TYPE, ...problem.headers },
    body: problem.toJSON(requestId),
  };
}
