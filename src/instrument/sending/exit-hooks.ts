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
    const others = process.listenerCount(name) - 1;
    if (others === signalExitListeners()) {
      // Listening until it is sent: npm hands Ctrl-C on to a process that has it from the terminal already.
      actions.flushBlocking();
      process.off(name, listener);
      if (others === 0) process.kill(process.pid, name);
      return;
    }
    // Taken back while the others run: who counts listeners to decide on the default must not count this one.
    process.off(name, listener);
    actions.flushSoon();
    process.nextTick(() => {
      if (isInstalled) install();
    });
  };
  const remove = () => {
    isInstalled = false;
    process.off(name, listener);
  };
  return { install, remove };
}

/**
 * How many listeners are those of the package signal-exit, which many packages bring along: where all are, it ends the
 * process. Its versions 3 and 4 keep their number in different places.
 */
function signalExitListeners(): number {
  return (
    countAt(process, "__signal_exit_emitter__") +
    countAt(globalThis, Symbol.for("signal-exit emitter"))
  );
}

const countAt = (owner: object, key: string | symbol): number =>
  (Reflect.get(owner, key) as { readonly count?: number } | undefined)?.count ?? 0;
