/**
 * The ways out of a process. `exit` comes after process.exit, a throw and a natural end, but not after a signal that
 * nobody listens to: such a signal is caught, and sent again once the flush is done, so that the process ends by it.
 */
const fatalSignals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

export interface ExitActions {
  /** The event loop stands still from now on. */
  readonly flushBlocking: () => void;
  /** The application has a listener of its own and goes on for now. */
  readonly flushSoon: () => void;
}

/** Returns how to take the hooks back. */
export function installExitHooks(actions: ExitActions): () => void {
  const signals = fatalSignals.map((name) => signalHook(name, actions));
  process.on("exit", actions.flushBlocking);
  for (const hook of signals) hook.install();
  return () => {
    process.off("exit", actions.flushBlocking);
    for (const hook of signals) hook.remove();
  };
}

function signalHook(name: NodeJS.Signals, actions: ExitActions) {
  let isInstalled = false;
  const install = () => {
    isInstalled = true;
    // First, so that listeners that go after one call are still there to be seen.
    process.prependListener(name, listener);
  };
  const listener = () => {
    // Taken back in any case: who counts listeners to decide on the default must not count this one.
    process.off(name, listener);
    if (process.listenerCount(name) === 0) {
      actions.flushBlocking();
      process.kill(process.pid, name);
      return;
    }
    actions.flushSoon();
    setImmediate(() => {
      if (isInstalled) install();
    });
  };
  const remove = () => {
    isInstalled = false;
    process.off(name, listener);
  };
  return { install, remove };
}
