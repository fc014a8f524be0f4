import type { AsyncLocalStorage } from "node:async_hooks";

/** What belongs to the asynchronous work under way. Its module is loaded at the first use: not every application has any. */
export class Context<T> {
  #storage: AsyncLocalStorage<T> | undefined;

  run<R>(value: T, run: () => R): R {
    return this.storage.run(value, run);
  }

  get(): T | undefined {
    return this.#storage?.getStore();
  }

  get storage(): AsyncLocalStorage<T> {
    if (this.#storage === undefined) {
      const { AsyncLocalStorage } = process.getBuiltinModule("node:async_hooks");
      this.#storage = new AsyncLocalStorage();
    }
    return this.#storage;
  }
}
