// How every process here starts, says that it is ready, and ends.

const SHUTDOWN_LIMIT_MS = 30_000;

// Node's error for a refused connection has its words in `errors`, or only a code.
const words = (error) => error.errors?.map(words).join('; ') || error.message || error.code || String(error);

const fail = (name, error) => {
  console.error(`${name}: ${words(error)}`);
  process.exit(1);
};

/** Runs a long-lived process: `start` answers with what ends it cleanly, which SIGTERM and SIGINT then call. */
export async function serve(name, start) {
  try {
    const stop = await start();
    const end = () => {
      setTimeout(() => fail(name, new Error(`did not end within ${SHUTDOWN_LIMIT_MS} ms`)), SHUTDOWN_LIMIT_MS).unref();
      stop().then(() => process.exit(0), (error) => fail(name, error));
    };
    process.once('SIGTERM', end);
    process.once('SIGINT', end);
    console.log('ready');
  } catch (error) {
    fail(name, error);
  }
}

/** Runs a process that does one thing and then prints `done`. */
export async function once(name, done, work) {
  try {
    await work();
    console.log(done);
  } catch (error) {
    fail(name, error);
  }
}
