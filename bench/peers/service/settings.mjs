// What a process is told by its environment.

const required = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
};

/** A whole number of at least 1 from the environment. */
export const count = (name, fallback) => {
  const value = Number(process.env[name] ?? fallback);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`${name} must be a whole number of at least 1`);
  return value;
};

export const postgresUrl = () => required('PG_URL');
export const redisUrl = () => required('REDIS_URL');
export const port = () => count('PORT', 3000);

/** HS256 secret and the claims a token must have; the defaults are Satchel's. */
export const tokens = () => ({
  secret: required('JWT_SECRET'),
  issuer: process.env.JWT_ISSUER ?? 'satchel',
  audience: process.env.JWT_AUDIENCE ?? 'satchel',
});

export const ingressSocket = () => required('RESTATE_INGRESS_SOCKET');
export const adminSocket = () => required('RESTATE_ADMIN_SOCKET');
