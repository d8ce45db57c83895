// Who may do what: as in Satchel, by role and, for services, scope.

import jwt from '@fastify/jwt';

// A token is verified once, not at each of its requests; fast-jwt's cache minds its expiry.
const CACHED_TOKENS = 1000;

const has = (claims, scope) => ` ${claims.scope ?? ''} `.includes(` ${scope} `);

const SCOPES = { reward_inventory_item: 'rewards:write', use_item: 'items:use' };

/** Makes `request.jwtVerify` check tokens of our issuer for our audience. */
export function registerTokens(app, { secret, issuer, audience }) {
  app.register(jwt, {
    secret,
    verify: {
      algorithms: ['HS256'],
      allowedIss: issuer,
      allowedAud: audience,
      requiredClaims: ['sub', 'role', 'exp', 'iss', 'aud'],
      cache: CACHED_TOKENS,
    },
  });
}

/** Fastify hook: 401 without a good token. */
export const authenticated = (request) => request.jwtVerify();

export function maySubmit({ user }, job) {
  if (user.role === 'service') return has(user, SCOPES[job.type]);
  return user.role === 'player' && job.type === 'use_item' && job.userId === user.sub;
}

export function mayRead({ user }, userId) {
  if (user.role === 'service') return has(user, 'inventory:read');
  return user.role === 'operator' || (user.role === 'player' && userId === user.sub);
}
