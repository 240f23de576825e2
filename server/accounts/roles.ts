/**
 * Roles and scopes: the one table of who may do what.
 *
 * A scope is what an endpoint asks for. A role is a set of scopes; an API key has a role, and perhaps fewer scopes than
 * that. What a member may do is read from this table at every request, so a change of it, or of somebody's role, is felt
 * at once. `contacts` are lists, imports and segments too, `domains` relays and routes.
 *
 * `installation` is what all workspaces share: source addresses, pools, the limits of destinations, the seller. Whoever
 * runs the installation is a member of its first workspace, so an owner or an admin of that one has these scopes, and of
 * another nobody has.
 */
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';

export const SCOPES = [
  'contacts:read',
  'contacts:write',
  'templates:read',
  'templates:write',
  'campaigns:read',
  'campaigns:write',
  'campaigns:send',
  'messages:read',
  'messages:send',
  'suppressions:read',
  'suppressions:write',
  'domains:read',
  'domains:write',
  'webhooks:read',
  'webhooks:write',
  'stats:read',
  'billing:read',
  'billing:write',
  'members:read',
  'members:write',
  'keys:read',
  'keys:write',
  'audit:read',
  'workspace:write',
  'installation:read',
  'installation:write',
] as const;

export type Scope = (typeof SCOPES)[number];

export const ROLES = ['owner', 'admin', 'marketer', 'analyst', 'billing'] as const;

export type Role = (typeof ROLES)[number];

export const SCOPES_OF_ROLE: Readonly<Record<Role, readonly Scope[]>> = {
  owner: SCOPES,
  admin: SCOPES.filter((scope) => scope !== 'billing:write'),
  marketer: [
    'contacts:read',
    'contacts:write',
    'templates:read',
    'templates:write',
    'campaigns:read',
    'campaigns:write',
    'campaigns:send',
    'messages:read',
    'messages:send',
    'suppressions:read',
    'suppressions:write',
    'domains:read',
    'stats:read',
  ],
  analyst: ['contacts:read', 'templates:read', 'campaigns:read', 'messages:read', 'stats:read'],
  billing: ['billing:read', 'billing:write', 'stats:read'],
};

/** What `role` may in the workspace, cut down to `chosen` when something was chosen. */
export function scopesOf(
  workspaceId: string,
  role: Role,
  chosen: readonly Scope[] | null = null,
): readonly Scope[] {
  const isFirst = workspaceId === DEFAULT_WORKSPACE_ID;
  return SCOPES_OF_ROLE[role].filter(
    (scope) => (isFirst || !scope.startsWith('installation:')) && (chosen?.includes(scope) ?? true),
  );
}

/** True when nobody who holds `scopes` could gain anything by being given `role` in the workspace. */
export function covers(workspaceId: string, scopes: readonly Scope[], role: Role): boolean {
  return scopesOf(workspaceId, role).every((scope) => scopes.includes(scope));
}
