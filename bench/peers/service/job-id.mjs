// Job ids: UUIDs of version 7 (RFC 9562 section 5.7), so that the index on them grows at its end.

import { randomUUID } from 'node:crypto';

/** A new id: 48 bits of milliseconds, the version, and what randomUUID has beyond its own version. */
export function newJobId() {
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}
