/**
 * What is done with somebody's template: whether mails can be made of it, and how it reads. Pure, and as slow as the template
 * wants, within limits: the web server has it done in a thread of its own (template-thread.ts).
 */
import { type MessageRecipient, type RenderResult, recipientData, SenderError } from '../content/message.ts';
import { type Preview, type PreviewSurroundings, previewTemplate } from '../content/preview.ts';
import {
  compileTemplate,
  loadTemplate,
  type RenderedTemplate,
  type TemplateField,
  type TemplateKind,
} from '../content/template.ts';
import { RenderLimit, TemplateError } from '../content/template-error.ts';
import { CHECK, compileContent } from '../queue/campaign-content.ts';
import type { CampaignKey } from './queries.ts';

/** What a mail is made of, beside its recipient. */
export interface MailContent {
  templateName: string;
  templateBody: string;
  fromName: string | null;
  fromEmail: string;
  replyTo: string | null;
  postalAddress: string | null;
}

export type TemplateTask = CheckTask | PreviewTask | MailTask;

interface CheckTask {
  kind: 'check';
  content: MailContent;
}

interface PreviewTask {
  kind: 'preview';
  name: string;
  source: string;
  data: Record<string, unknown>;
  surroundings: PreviewSurroundings;
}

/** The whole message, as this recipient gets it. */
interface MailTask {
  kind: 'mail';
  of: CampaignKey;
  content: MailContent;
  recipient: MessageRecipient;
  /** Origin of the links. */
  trackingBase: string;
}

interface TemplateResults {
  check: { kind: 'fine'; templateKind: TemplateKind };
  preview: { kind: 'previewed'; preview: Preview };
  mail: {
    kind: 'made';
    mail: RenderResult;
    shown: RenderedTemplate | null;
    fields: readonly TemplateField[];
  };
}

export type ResultOf<Task extends TemplateTask> = TemplateResults[Task['kind']] | TemplateFault;

/** Does it here, or has it done elsewhere. */
export type TemplateWorker = <Task extends TemplateTask>(task: Task) => Promise<ResultOf<Task>>;

/** One sentence, and where; lines and columns count from 1, null when it is of no place. */
export interface TemplateFault {
  kind: 'refused';
  /** Of the template, or of who sends it. */
  of: 'template' | 'sender';
  sentence: string;
  line: number | null;
  column: number | null;
}

export function workOn<Task extends TemplateTask>(task: Task): ResultOf<Task> {
  try {
    // A task of one kind has the result of that kind.
    return WORK[task.kind](task as never) as ResultOf<Task>;
  } catch (error) {
    return faultOf(error);
  }
}

/** In this thread. */
export const workHere: TemplateWorker = async (task) => workOn(task);

const WORK: {
  [Kind in TemplateTask['kind']]: (task: Extract<TemplateTask, { kind: Kind }>) => TemplateResults[Kind];
} = {
  check,
  preview,
  mail,
};

function check({ content }: CheckTask): TemplateResults['check'] {
  const { templateName, templateBody } = content;
  const source = loadTemplate(templateName, templateBody);
  compileContent(NO_CAMPAIGN, content, CHECK);
  // The limits of a render bite here rather than for every recipient.
  previewTemplate(source, {}, { unsubscribeUrl: CHECK.trackingBase, postalAddress: undefined });
  return { kind: 'fine', templateKind: source.kind };
}

function preview({ name, source, data, surroundings }: PreviewTask): TemplateResults['preview'] {
  return { kind: 'previewed', preview: previewTemplate(loadTemplate(name, source), data, surroundings) };
}

function mail({ of, content, recipient, trackingBase }: MailTask): TemplateResults['mail'] {
  const template = compileTemplate(loadTemplate(content.templateName, content.templateBody));
  const made = compileContent(of, content, { ...CHECK, trackingBase }).render(recipient);
  const data = recipientData(recipient, UNSUBSCRIBE_URL, content.postalAddress ?? undefined);
  const shown = made.kind === 'rendered' ? template.render(data) : null;
  return { kind: 'made', mail: made, shown, fields: template.fields };
}

const UNSUBSCRIBE_URL = 'https://unsubscribe.example/';

const NO_CAMPAIGN = {
  workspaceId: '00000000-0000-7000-8000-000000000000',
  campaignId: '00000000-0000-7000-8000-000000000000',
};

function faultOf(error: unknown): TemplateFault {
  if (error instanceof TemplateError) {
    const { message, line, column } = error;
    return { kind: 'refused', of: 'template', sentence: `${message}.`, line, column };
  }
  if (error instanceof SenderError)
    return { kind: 'refused', of: 'sender', sentence: error.message, line: null, column: null };
  if (error instanceof RenderLimit) return refusedTemplate(`${error.message}.`);
  throw error;
}

export function refusedTemplate(sentence: string): TemplateFault {
  return { kind: 'refused', of: 'template', sentence, line: null, column: null };
}
