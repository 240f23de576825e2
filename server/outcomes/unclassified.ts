/** Replies that no rule knows, one row a kind, for a person: what they mean becomes a row of the reply table. */
import type { Database } from '../kernel/database.ts';
import { allWorkspaceIds } from '../kernel/queries.ts';
import type { Phase } from '../smtp/classification.ts';
import { rules } from '../smtp/replies.ts';
import { readReply } from '../smtp/reply.ts';
import { replyTemplate } from '../smtp/reply-template.ts';
import { refusalsByTemplate, type TemplateRow } from './queries-rerun.ts';

const KINDS_MAX = 500;

export interface UnclassifiedKind {
  /** Its words, without what differs from message to message. */
  template: string;
  count: number;
  phase: Phase;
  mxHost: string | null;
  lastAt: Date;
  /** The newest of them, as it was said. */
  example: string;
}

/** Of all workspaces: rules are of the installation. The most frequent first. */
export async function unclassifiedReplies(database: Database, since: Date): Promise<UnclassifiedKind[]> {
  const unknown = rules.filter((row) => row.class === 'unclassified').map((row) => row.rule);
  const found = new Map<string, TemplateRow>();
  for (const workspaceId of await database.withSystem(allWorkspaceIds)) {
    const rows = await database.readWorkspace(workspaceId, (tx) =>
      refusalsByTemplate(tx, workspaceId, unknown, since, KINDS_MAX),
    );
    for (const row of rows) found.set(row.template, merged(row, found.get(row.template)));
  }
  return [...found.values()].sort((a, b) => b.count - a.count).map(kindOf);
}

function merged(row: TemplateRow, other: TemplateRow | undefined): TemplateRow {
  if (!other) return row;
  const newest = row.lastAt > other.lastAt ? row : other;
  return { ...newest, count: row.count + other.count };
}

function kindOf(row: TemplateRow): UnclassifiedKind {
  const reply = readReply(row.example);
  return { ...row, template: reply ? replyTemplate(reply) : row.example };
}
