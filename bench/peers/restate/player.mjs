// The virtual object: one per player, whose jobs it takes one after the other.

import './node20.mjs';
import { handlers, object } from '@restatedev/restate-sdk';
import { apply } from '../service/inventory.mjs';

export const PLAYER = 'player';

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 500;

// Applying a job is one statement that a second delivery does not repeat, so that it needs no step of its own in the
// journal (`ctx.run`).
export const player = (postgres) =>
  object({
    name: PLAYER,
    handlers: {
      apply: handlers.object.exclusive(
        {
          journalRetention: 0, // what came of a job is in Postgres
          enableLazyState: true, // there is none
          retryPolicy: { initialInterval: FIRST_RETRY_MS, maxInterval: MAX_RETRY_MS, exponentiationFactor: 2 },
        },
        (_, job) => apply(postgres, job),
      ),
    },
  });
