/** From method and path to a route of the app. */
export interface Route<H> {
  readonly method: string;
  /** `/repos/:id`: what the metrics call it. */
  readonly template: string;
  readonly handle: H;
}

export interface Match<H> {
  readonly route: Route<H>;
  readonly id: string | undefined;
}

/** Undefined: no such route. */
export function matchRoute<H>(
  routes: readonly Route<H>[],
  method: string,
  path: string,
): Match<H> | undefined {
  for (const route of routes) {
    if (route.method !== method) continue;
    const prefix = route.template.replace(/:id$/u, "");
    if (path === route.template) return { route, id: undefined };
    const id = path.slice(prefix.length);
    const hasId = prefix !== route.template && path.startsWith(prefix);
    if (hasId && id !== "" && !id.includes("/")) return { route, id };
  }
  return undefined;
}
