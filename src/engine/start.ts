/** Starting instances: in order, and with the name of the one that fails. */
import { asTelemetryError, TelemetryError } from "../errors.ts";
import type { Instance } from "./instance.ts";

/** In this order; stops at the first failure, or goes on and throws it at the end. */
export async function startAll(instances: readonly Instance[], keepGoing: boolean): Promise<void> {
  let failure: unknown;
  for (const instance of instances) {
    try {
      await startInstance(instance);
    } catch (error) {
      if (!keepGoing) throw error;
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
}

async function startInstance(instance: Instance): Promise<void> {
  try {
    await instance.start();
  } catch (error) {
    const cause = asTelemetryError(error);
    instance.setStatus({ state: "permanent", message: cause.message });
    const { kind, text } = instance.id;
    throw new TelemetryError(
      cause.code === "INTERNAL" ? "START_FAILED" : cause.code,
      `cannot start "${text}" ${kind}: ${cause.message}`,
      { cause },
    );
  }
}
