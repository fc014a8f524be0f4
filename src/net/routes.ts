/** Which handler answers a path, and how many of its requests are running: owners come and go on one server. */

/** The requests of one owner. */
export class RouteUse {
  #running = 0;
  #onQuiet: (() => void) | undefined;

  begin(): void {
    this.#running++;
  }

  end(): void {
    this.#running--;
    if (this.#running === 0) this.#onQuiet?.();
  }

  /** Resolves when nothing runs, or when aborted: true when nothing runs. */
  quiet(abort: AbortSignal): Promise<boolean> {
    if (this.#running === 0 || abort.aborted) return Promise.resolve(this.#running === 0);
    return new Promise((resolve) => {
      const settle = () => {
        abort.removeEventListener("abort", settle);
        this.#onQuiet = undefined;
        resolve(this.#running === 0);
      };
      this.#onQuiet = settle;
      abort.addEventListener("abort", settle, { once: true });
    });
  }
}

export interface Route<H> {
  readonly handler: H;
  readonly use: RouteUse;
}

export class Routes<H> {
  readonly #routes = new Map<string, Route<H>>();
  readonly #uses = new Map<object, RouteUse>();

  add(owner: object, handlers: ReadonlyMap<string, H>): void {
    const use = new RouteUse();
    this.#uses.set(owner, use);
    for (const [path, handler] of handlers) this.#routes.set(path, { handler, use });
  }

  /** New requests for them are unknown from now on; what runs can be waited for. */
  remove(owner: object): RouteUse {
    const use = this.#uses.get(owner) ?? new RouteUse();
    this.#uses.delete(owner);
    for (const [path, route] of this.#routes) if (route.use === use) this.#routes.delete(path);
    return use;
  }

  /** Of the path itself, else of the longest `prefix/*` above it. */
  find(path: string): Route<H> | undefined {
    return this.#routes.get(path) ?? this.#above(path);
  }

  #above(path: string): Route<H> | undefined {
    let longest = "";
    for (const route of this.#routes.keys()) {
      if (!route.endsWith("/*") || route.length <= longest.length) continue;
      if (path.startsWith(route.slice(0, -1))) longest = route;
    }
    return this.#routes.get(longest);
  }

  paths(): Iterable<string> {
    return this.#routes.keys();
  }
}
