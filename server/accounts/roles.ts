/**
 * Roles and scopes: the one table of who may do what.
 *
 * A scope is what an endpoint asks for. A role is a set of scopes; an API key has a role, and perhaps fewer scopes than
 * that. What a member may do is read from this table at every request, so a change of it, or of somebody's role, is felt
 * at once. `contacts` are lists, imports and segments too.
 */

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

/** What `role` may, cut down to `chosen` when something was chosen. */
export function scopesOf(role: Role, chosen: readonly Scope[] | null = null): readonly Scope[] {
  const all = SCOPES_OF_ROLE[role];
  return chosen === null ? all : all.filter((scope) => chosen.includes(scope));
}

/** True when nobody who holds `scopes` could gain anything by being given `role`. */
export function covers(scopes: readonly Scope[], role: Role): boolean {
  return SCOPES_OF_ROLE[role].every((scope) => scopes.includes(scope));
}
