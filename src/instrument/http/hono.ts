import { nameBy } from "./requests.ts";

/** What is read of Hono's context. */
interface HonoContext {
  /** By @hono/node-server: the request of node:http. */
  readonly env?: { readonly incoming?: object };
  readonly req: {
    readonly raw: object;
    /** All that match, middleware too, in the order they run in. */
    readonly matchedRoutes: readonly HonoRoute[];
    /** The one that ran last. */
    readonly routeIndex: number;
  };
}
interface HonoRoute {
  readonly path: string;
  readonly method: string;
}

/** Lets Hono name the routes of its requests; to be used before them. */
export function honoMiddleware(): (c: unknown, next: () => Promise<unknown>) => Promise<void> {
  return async (c, next) => {
    const context = c as HonoContext;
    nameBy(context?.env?.incoming ?? context?.req?.raw, context, routeOf);
    await next();
  };
}

/** `use` and `mount` register for all methods and everything below their path. */
const isRoute = ({ method, path }: HonoRoute) => method !== "ALL" || !path.endsWith("*");
const isEverything = ({ path }: HonoRoute) => path === "/*" || path === "*";

/**
 * The route that ran; where a middleware answered, the last that would have run; else what is mounted there, unless
 * nothing was found in it.
 */
function routeOf({ req }: HonoContext, status: number | undefined): string | undefined {
  const { matchedRoutes, routeIndex } = req;
  const ran = matchedRoutes[routeIndex];
  const route = ran !== undefined && isRoute(ran) ? ran : (matchedRoutes.findLast(isRoute) ?? ran);
  if (route === undefined) return undefined;
  if (status === 404 && (isEverything(route) || !isRoute(route))) return undefined;
  return isEverything(route) && !isRoute(route) ? undefined : route.path;
}
