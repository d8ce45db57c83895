// What Restate's SDK takes from Node 22 and Node 20 lacks; to be imported before it.

Promise.withResolvers ??= function withResolvers() {
  const parts = {};
  parts.promise = new this((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};
