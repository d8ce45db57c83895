// Puts what comes at the same time into one call.

/** Returns `submit(entry)`, which resolves once `send(entries)` did for the batch the entry went with. */
export function batches(send, { maxBatchEntries, maxBatchesUnderWay }) {
  let waiting = [];
  let underWay = 0;
  let scheduled = false;

  const dispatch = () => {
    scheduled = false;
    while (waiting.length > 0 && underWay < maxBatchesUnderWay) {
      const batch = waiting.splice(0, maxBatchEntries);
      underWay += 1;
      const settle = (how, value) => {
        underWay -= 1;
        for (const { [how]: call } of batch) call(value);
        dispatch();
      };
      send(batch.map(({ entry }) => entry)).then(() => settle('resolve'), (error) => settle('reject', error));
    }
  };

  return (entry) => new Promise((resolve, reject) => {
    waiting.push({ entry, resolve, reject });
    if (scheduled || underWay >= maxBatchesUnderWay) return;
    scheduled = true;
    setImmediate(dispatch);
  });
}
