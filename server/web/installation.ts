/**
 * What belongs to the installation and not to a workspace: its scopes are had by owners and admins of the first workspace
 * (accounts/roles.ts). It is changed as the system, so the audit entry is a transaction of its own, after the change.
 */
import { type AuditedAction, audit } from '../accounts/audit.ts';
import type { ApiRequest } from './endpoint.ts';

/** In the log of the workspace of whoever asks. */
export function auditAlone(
  { services, workspaceId, principal, address }: ApiRequest,
  done: AuditedAction,
): Promise<void> {
  return services.database.withWorkspace(workspaceId, (tx) => audit(tx, principal, { ...done, address }));
}
