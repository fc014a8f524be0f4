const openKey: unique symbol = Symbol("repomind.open");

/** A request of some client, with a property of ours while it is under way (a WeakMap costs more). */
export interface Marked {
  [openKey]?: Open | undefined;
}

export class Open {
  readonly owner: OpenRequests;
  readonly startMs = performance.now();
  /** Of the response's head, where the client does not keep it with the request. */
  status: number | undefined = undefined;

  constructor(owner: OpenRequests) {
    this.owner = owner;
  }

  get seconds(): number {
    return (performance.now() - this.startMs) / 1000;
  }
}

/** The requests under way, each ended once: what is told of it afterwards finds nothing. */
export class OpenRequests {
  #count = 0;
  #onNone: (() => void) | undefined;

  begin(request: Marked): void {
    request[openKey] = new Open(this);
    this.#count++;
  }

  find(request: Marked): Open | undefined {
    const open = request[openKey];
    return open?.owner === this ? open : undefined;
  }

  take(request: Marked): Open | undefined {
    const open = this.find(request);
    if (open === undefined) return undefined;
    request[openKey] = undefined;
    this.#count--;
    if (this.#count === 0) this.#onNone?.();
    return open;
  }

  /** At once, or when the last one has ended. */
  whenNone(run: () => void): void {
    if (this.#count === 0) run();
    else this.#onNone = run;
  }
}
