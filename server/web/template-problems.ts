/** Templates are checked and rendered in a thread of their own; what is wrong with one is a problem that says where. */
import type { MailContent, TemplateFault } from '../campaigns/template-work.ts';
import type { ApiRequest } from './endpoint.ts';
import { Problem } from './problem.ts';

/** Five times what Gmail shows of a mail. */
export const TEMPLATE_CHARS_MAX = 500_000;

/** Throws a Problem when no mail could be made of it. `at`: where the template stands in the request. */
export async function checkMail(
  request: Pick<ApiRequest, 'services' | 'workspaceId' | 'scope'>,
  content: MailContent,
  at: string,
): Promise<void> {
  const result = await request.services.templates.do({ kind: 'check', content }, request);
  if (result.kind === 'refused') throw templateProblem(result, at);
}

export function templateProblem({ of, sentence, line, column }: TemplateFault, at: string): Problem {
  const place = line === null || column === null ? {} : { line, column };
  const path = of === 'sender' ? '/body/from' : at;
  return new Problem('refused', sentence, { errors: [{ path, message: sentence, ...place }] });
}
