/** The layers of the routers of Express 4 and 5, as far as they tell what was declared. */
import { declaredPaths, expressions } from "./express-4-paths.ts";

export type DeclaredPath = string | RegExp;
type Paths = DeclaredPath | readonly Paths[];

export interface ExpressRoute {
  readonly path: Paths;
  readonly stack: readonly unknown[];
}
/** A router, an application, or any other handler. */
interface Handler {
  readonly stack?: readonly Layer[];
  readonly router?: { readonly stack: readonly Layer[] };
  /** Of an application of Express 4, whose `router` throws. */
  readonly lazyrouter?: unknown;
  readonly _router?: { readonly stack: readonly Layer[] };
  readonly handle?: unknown;
  readonly set?: unknown;
}
export interface ExpressApp extends Handler {
  readonly parent?: ExpressApp;
  readonly mountpath: Paths;
}
interface Matched {
  readonly path: string;
  readonly params: Readonly<Record<string, unknown>>;
}
type Matcher = (path: string) => Matched | false;

export interface Layer {
  readonly route?: ExpressRoute | null;
  readonly handle: Handler;
  readonly name: string;
  /** Router 2: one for each path. */
  readonly matchers?: readonly Matcher[];
  readonly slash?: boolean;
  /** Router 2.3: the paths as they were declared. */
  readonly rawPath?: Paths;
  /** Express 4: of all paths together. */
  readonly regexp?: RegExp & { readonly fast_slash?: boolean };
  readonly keys?: readonly { readonly name: string | number }[];
}

/** One path of a mount or a route. */
export interface Alternative {
  /** Undefined: not known before it matched something. */
  readonly template: string | undefined;
  /** The length of what matches at the beginning of a path. */
  match(path: string): number | undefined;
}
/** The paths that one layer was declared with. */
export type Step = readonly Alternative[];

/** A list may hold further lists. */
export function pathsOf(paths: Paths): readonly DeclaredPath[] {
  return ([paths] as unknown[]).flat(Infinity) as DeclaredPath[];
}

/** Of a mount: what is below begins with the slash. */
export function mountTemplate(path: DeclaredPath): string {
  return typeof path === "string" && path.endsWith("/") ? path.slice(0, -1) : String(path);
}

export function stackOf(handler: Handler): readonly Layer[] {
  const isApp = typeof handler?.handle === "function" && typeof handler.set === "function";
  if (!isApp) return Array.isArray(handler?.stack) ? handler.stack : [];
  const { lazyrouter, _router: ofExpress4 } = handler;
  const router = typeof lazyrouter === "function" ? ofExpress4 : handler.router;
  return Array.isArray(router?.stack) ? router.stack : [];
}

/** `use` without a path. */
export function isRootMount({ slash, regexp }: Layer): boolean {
  return slash === true || regexp?.fast_slash === true;
}

const steps = new WeakMap<Layer, Step>();

export function stepOf(layer: Layer): Step {
  const known = steps.get(layer);
  if (known !== undefined) return known;
  const { regexp } = layer;
  const step = regexp === undefined ? stepOfRouter2(layer) : stepOfExpress4(layer, regexp);
  steps.set(layer, step);
  return step;
}

function stepOfExpress4({ keys = [], route }: Layer, regexp: RegExp): Step {
  const isRoute = route !== undefined && route !== null;
  const paths = isRoute ? pathsOf(route.path).map(String) : declaredPaths(regexp, keys);
  const each = expressions(regexp);
  if (paths?.length === each.length) {
    return paths.map((template, i) => new ExpressionPath(template, each[i]!));
  }
  const whole = new RegExp(regexp.source, regexp.ignoreCase ? "i" : "");
  return [new ExpressionPath(paths?.join(",") ?? String(regexp), whole)];
}

class ExpressionPath implements Alternative {
  readonly template: string;
  readonly #expression: RegExp;

  constructor(template: string, expression: RegExp) {
    this.template = template;
    this.#expression = expression;
  }

  match(path: string): number | undefined {
    return this.#expression.exec(path)?.[0].length;
  }
}

function stepOfRouter2({ matchers = [], rawPath, route }: Layer): Step {
  const isRoute = route !== undefined && route !== null;
  const declared = isRoute ? route.path : rawPath;
  const paths = declared === undefined ? [] : pathsOf(declared);
  const templates = paths.map(isRoute ? String : mountTemplate);
  return matchers.map((matcher, i) => new RouterPath(templates[i], matcher));
}

class RouterPath implements Alternative {
  template: string | undefined;
  readonly #matcher: Matcher;

  constructor(template: string | undefined, matcher: Matcher) {
    this.template = template;
    this.#matcher = matcher;
  }

  match(path: string): number | undefined {
    const matched = attempt(this.#matcher, path);
    if (matched === false) return undefined;
    this.template ??= templateFrom(this.#matcher, matched);
    return matched.path.length;
  }
}

function attempt(matcher: Matcher, path: string): Matched | false {
  try {
    return matcher(path);
  } catch {
    // Text that cannot be decoded; the router refuses it too.
    return false;
  }
}

/**
 * Before 2.3 a router keeps nothing of what a mount was declared with. But where another text in the place of a
 * parameter's value is taken for that value too, there is the parameter. Undefined: not all were found.
 */
function templateFrom(matcher: Matcher, { path, params }: Matched): string | undefined {
  const spans: { readonly from: number; readonly to: number; readonly token: string }[] = [];
  for (const [name, value] of Object.entries(params)) {
    const text = [value].flat().map((part) => encodeURIComponent(String(part)));
    const length = text.join("/").length;
    const from = placeOf(matcher, path, name, text.join("/"));
    if (from === undefined) return undefined;
    spans.push({ from, to: from + length, token: `${Array.isArray(value) ? "*" : ":"}${name}` });
  }
  let template = path;
  for (const { from, to, token } of spans.toSorted((a, b) => b.from - a.from)) {
    template = template.slice(0, from) + token + template.slice(to);
  }
  return template;
}

const probe = "repomindprobe";

function placeOf(matcher: Matcher, path: string, name: string, text: string): number | undefined {
  for (let at = path.indexOf(text); at >= 0; at = path.indexOf(text, at + 1)) {
    const probed = attempt(matcher, path.slice(0, at) + probe + path.slice(at + text.length));
    if (probed !== false && String(probed.params[name]) === probe) return at;
  }
  return undefined;
}
