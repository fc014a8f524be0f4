import {
  type ExpressApp,
  type ExpressRoute,
  isRootMount,
  type Layer,
  mountTemplate,
  pathsOf,
  type Step,
  stackOf,
  stepOf,
} from "./express-layers.ts";

/** What is read of a request of Express 4 or 5. */
interface ExpressRequest {
  /** The route that matched last; it stays when that route passes the request on. */
  readonly route?: ExpressRoute;
  /** Concrete, with the values of parameters; undefined again when the request has left all routers. */
  readonly baseUrl?: string;
  readonly originalUrl?: string;
  readonly url?: string;
  /** The application that handled the request last; the package router has none. */
  readonly app?: ExpressApp;
}

/** A way to a route: the mounts on it, and the route itself. */
type Way = readonly Step[];

/** Routers may be mounted in themselves. */
const maxDepth = 20;
/** Routes that are made for each request are never found; so often they are searched for. */
const maxFruitlessWalks = 100;

/**
 * The templates of the routes of Express: `baseUrl + path` would hold the values of the mounts' parameters, and after
 * an error no mount at all. So the routers are walked through once, and each route is remembered with the ways to it.
 */
export class ExpressRoutes {
  /** A template, or ways that the URL decides between. */
  readonly #known = new WeakMap<ExpressRoute, string | readonly Way[]>();
  /** The application that a route was not found in. */
  readonly #missing = new WeakMap<ExpressRoute, ExpressApp>();
  #fruitlessWalks = 0;

  /** The template of the route that a request matched; may throw what the application's objects throw. */
  routeOf(given: object, status: number | undefined): string | undefined {
    const request = given as ExpressRequest;
    const { route } = request;
    if (route === undefined) return undefined;
    const known = this.#known.get(route) ?? this.#learn(request, route);
    if (known === undefined || (status === 404 && isPassedOver(request, route))) return undefined;
    return typeof known === "string" ? known : this.#decide(request, route, known);
  }

  #learn({ app }: ExpressRequest, route: ExpressRoute): string | readonly Way[] | undefined {
    // Others keep a `route` on the request too.
    if (!Array.isArray((route as ExpressRoute | null)?.stack)) return undefined;
    const isWorthwhile = this.#fruitlessWalks < maxFruitlessWalks;
    if (app === undefined || !isWorthwhile || this.#missing.get(route) === app) return [];
    for (const [each, ways] of waysFrom(app)) this.#remember(each, ways);
    const known = this.#known.get(route);
    if (known !== undefined) return known;
    this.#missing.set(route, app);
    this.#fruitlessWalks++;
    return [];
  }

  #remember(route: ExpressRoute, ways: readonly Way[]): void {
    this.#known.set(route, (ways.length === 1 ? onlyTemplate(ways[0]!) : undefined) ?? ways);
  }

  #decide(request: ExpressRequest, route: ExpressRoute, ways: readonly Way[]): string | undefined {
    if (ways.length === 0) return guess(request, route);
    const path = pathOf(request);
    for (const way of ways) {
      const template = templateAlong(way, path);
      if (template === undefined) continue;
      // What was read from this URL may now be all there is to know.
      this.#remember(route, ways);
      return template;
    }
    // A middleware gave the request another URL.
    return firstTemplate(ways[0]!);
  }
}

/** The symbol is private to each copy of the router. */
const isOfMatchedLayer = (key: symbol) => key.description === "router.tracing.matchedRoute";

/**
 * True of a 404 that neither the route nor an error gave: the route called next(), and nothing else answered. From
 * router 2.3 on the request tells both; before, only that it has left all routers.
 */
function isPassedOver(request: ExpressRequest, route: ExpressRoute): boolean {
  const fields = request as Record<symbol, unknown>;
  const errors = fields[Symbol.for("router.tracing.publishedErrors")] as Set<unknown> | undefined;
  if (errors !== undefined && errors.size > 0) return false;
  if (request.baseUrl === undefined) return true;
  const key = Object.getOwnPropertySymbols(request).find(isOfMatchedLayer);
  const current = key && fields[key];
  return current !== undefined && !pathsOf(route.path).includes(current as string);
}

function waysFrom(app: ExpressApp): Map<ExpressRoute, Way[]> {
  const found = new Map<ExpressRoute, Way[]>();
  const apps = [app];
  while (apps[0]!.parent !== undefined && apps.length < maxDepth) apps.unshift(apps[0]!.parent);
  const way: Step[] = [];
  apps.forEach((each, i) => {
    const parent = apps[i - 1];
    if (parent !== undefined) way.push(mountOf(each, parent));
    walk(stackOf(each), [...way], found);
  });
  return found;
}

function walk(stack: readonly Layer[], way: Way, found: Map<ExpressRoute, Way[]>): void {
  if (way.length > maxDepth) return;
  for (const layer of stack) {
    const { route, handle } = layer;
    if (route !== undefined && route !== null) {
      const ways = found.get(route);
      if (ways === undefined) found.set(route, [[...way, stepOf(layer)]]);
      else ways.push([...way, stepOf(layer)]);
      continue;
    }
    const inner = stackOf(handle);
    if (inner.length > 0) walk(inner, isRootMount(layer) ? way : [...way, stepOf(layer)], found);
  }
}

/**
 * `app.use(path, other)` hides the other behind a function: by its path the layer is found again. (A router before 2.3
 * does not know the path: then one path is taken, and of several nothing is said.)
 */
function mountOf(app: ExpressApp, parent: ExpressApp): Step {
  const templates = pathsOf(app.mountpath).map(mountTemplate);
  const text = templates.join("\n");
  const isIt = (step: Step) => step.map(({ template }) => template).join("\n") === text;
  const mounts = stackOf(parent).filter((layer) => layer.name === "mounted_app");
  const [template] = templates;
  const alone = templates.length === 1 ? [{ template, match: () => undefined }] : [];
  return mounts.map(stepOf).find(isIt) ?? alone;
}

/** The template of a way that has no choices. */
function onlyTemplate(way: Way): string | undefined {
  return way.every((step) => step.length === 1) ? firstTemplate(way) : undefined;
}

/** Undefined where something is not known yet. */
function firstTemplate(way: Way): string | undefined {
  const parts = way.map((step) => step[0]?.template);
  return parts.includes(undefined) ? undefined : joined(parts as string[]);
}

/** Undefined where the way does not lead along the path. */
function templateAlong(way: Way, path: string): string | undefined {
  const parts: string[] = [];
  let rest = path;
  for (const step of way) {
    const found = firstMatch(step, rest);
    if (found?.template === undefined) return undefined;
    parts.push(found.template);
    rest = rest.slice(found.length);
    if (!rest.startsWith("/")) rest = `/${rest}`;
  }
  return joined(parts);
}

function firstMatch(
  step: Step,
  path: string,
): { readonly template: string | undefined; readonly length: number } | undefined {
  for (const alternative of step) {
    const length = alternative.match(path);
    if (length !== undefined) return { template: alternative.template, length };
  }
  return undefined;
}

/** As a router without mounts would declare it: the route `/` of the mount `/orgs` is `/orgs`. */
function joined(parts: readonly string[]): string {
  const prefix = parts.slice(0, -1).join("");
  const last = parts.at(-1)!;
  return last === "/" && prefix !== "" ? prefix : prefix + last;
}

/** Without the routers' help; after an error even the mounts are unknown. */
function guess({ baseUrl }: ExpressRequest, { path }: ExpressRoute): string | undefined {
  return baseUrl === undefined ? undefined : joined([baseUrl, pathsOf(path).map(String).join(",")]);
}

function pathOf({ originalUrl, url }: ExpressRequest): string {
  const target = originalUrl ?? url ?? "";
  const path = target.startsWith("/") ? target : new URL(target).pathname;
  const end = path.search(/[?#]/u);
  return end < 0 ? path : path.slice(0, end);
}
