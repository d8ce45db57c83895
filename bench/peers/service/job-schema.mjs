// The shape of a submitted job, for Fastify's validation (ajv).

const userId = { type: 'string', pattern: '^[A-Za-z0-9_.:-]{1,64}$' };
const itemId = { type: 'string', pattern: '^[a-z0-9_.-]{1,64}$' };
const quantity = { type: 'integer', minimum: 1, maximum: 1_000_000_000, default: 1 };

const item = { type: 'object', required: ['itemId'], additionalProperties: false, properties: { itemId, quantity } };

const reward = {
  required: ['items'],
  additionalProperties: false,
  properties: {
    type: { const: 'reward_inventory_item' },
    userId,
    items: { type: 'array', minItems: 1, maxItems: 50, items: item },
    reason: { type: 'string', maxLength: 200 },
  },
};

const use = {
  required: ['itemId'],
  additionalProperties: false,
  properties: { type: { const: 'use_item' }, userId, itemId, quantity },
};

export const jobBody = {
  type: 'object',
  required: ['type', 'userId'],
  discriminator: { propertyName: 'type' },
  oneOf: [reward, use],
};

export const accepted = {
  type: 'object',
  properties: { jobId: { type: 'string' }, status: { type: 'string' } },
};

export const userParams = { type: 'object', required: ['userId'], properties: { userId } };

/** As Satchel does: nothing unknown is dropped, nothing of a wrong type is converted. */
export const ajvOptions = { discriminator: true, coerceTypes: false, removeAdditional: false, useDefaults: true };
