import { nameBy } from "./requests.ts";

/** What is read of Koa's context, as @koa/router leaves it. */
interface KoaContext {
  readonly req: object;
  readonly method: string;
  /** The path of the layer that ran last: a route, or a middleware of the router. */
  readonly _matchedRoute?: string | RegExp;
  /** All layers that match the path. */
  readonly matched?: readonly RouterLayer[];
}
interface RouterLayer {
  readonly path: string | RegExp;
  /** Empty for middleware. */
  readonly methods: readonly string[];
}

/** Lets @koa/router name the routes of the requests; to be used before the router. */
export function koaMiddleware(): (ctx: unknown, next: () => Promise<unknown>) => Promise<void> {
  return async (ctx, next) => {
    nameBy((ctx as KoaContext)?.req, ctx as KoaContext, routeOf);
    await next();
  };
}

/** The route that ran; else, where a middleware of the router answered, the first that would have run. */
function routeOf({ _matchedRoute: current, matched, method }: KoaContext): string | undefined {
  if (matched === undefined) return current === undefined ? undefined : String(current);
  const routes = matched.filter((layer) => layer.methods.includes(method));
  const route = routes.find((layer) => layer.path === current) ?? routes[0];
  return route === undefined ? undefined : String(route.path);
}
