// Compiled parts of packages. Where one is missing, its package works all the same, only slower, and says nothing.

/** Fails unless the compiled part of a package is loaded into this process; to be called after the package's import. */
export function requireNative(name) {
  process.report.excludeNetwork = true; // it would look up names
  const { sharedObjects } = process.report.getReport();
  if (sharedObjects.some((path) => path.endsWith('.node') && path.includes(name))) return;
  throw new Error(`the compiled part of ${name} is not loaded: measured without it, figures would be too low`);
}
