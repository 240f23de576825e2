/** The SQL of templates. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';

export interface TemplateKey {
  workspaceId: string;
  templateId: string;
}

export interface TemplateSummary {
  id: string;
  name: string;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

export interface TemplateRow extends TemplateSummary {
  source: string;
}

const SUMMARY = sql`id, name, version, created_at AS "createdAt", updated_at AS "updatedAt"`;

/** The newest first, those older than `after`. Index: template_pkey. */
export function templatePage(tx: Tx, workspaceId: string, after: string | null, limit: number) {
  return tx.query<TemplateSummary>(sql`
    SELECT ${SUMMARY} FROM template
    WHERE workspace_id = ${workspaceId} AND id < coalesce(${after}::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY id DESC LIMIT ${limit}`);
}

export async function findTemplate(tx: Tx, of: TemplateKey): Promise<TemplateRow | undefined> {
  const [row] = await tx.query<TemplateRow>(sql`
    SELECT ${SUMMARY}, source FROM template WHERE workspace_id = ${of.workspaceId} AND id = ${of.templateId}`);
  return row;
}

/** As findTemplate; it stays as it is until the transaction ends. */
export async function lockTemplate(tx: Tx, of: TemplateKey): Promise<TemplateRow | undefined> {
  const [row] = await tx.query<TemplateRow>(sql`
    SELECT ${SUMMARY}, source FROM template WHERE workspace_id = ${of.workspaceId} AND id = ${of.templateId}
    FOR UPDATE`);
  return row;
}

export async function insertTemplate(
  tx: Tx,
  of: TemplateKey,
  { name, source }: { name: string; source: string },
): Promise<TemplateRow> {
  const [row] = await tx.query<TemplateRow>(sql`
    INSERT INTO template (workspace_id, id, name, source) VALUES (${of.workspaceId}, ${of.templateId}, ${name}, ${source})
    RETURNING ${SUMMARY}, source`);
  if (!row) throw new Error('insertTemplate gave no row');
  return row;
}

export async function updateTemplate(
  tx: Tx,
  of: TemplateKey,
  { name, source }: { name: string; source: string },
): Promise<TemplateRow> {
  const [row] = await tx.query<TemplateRow>(sql`
    UPDATE template SET name = ${name}, source = ${source}, version = version + 1, updated_at = now()
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.templateId} RETURNING ${SUMMARY}, source`);
  if (!row) throw new Error('updateTemplate gave no row');
  return row;
}

/** False: there was none. */
export async function deleteTemplate(tx: Tx, of: TemplateKey): Promise<boolean> {
  const rows = await tx.query(sql`
    DELETE FROM template WHERE workspace_id = ${of.workspaceId} AND id = ${of.templateId} RETURNING id`);
  return rows.length === 1;
}
