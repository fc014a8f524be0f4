/** Routes of the debug pages. */
import type { Clock } from "../../src/clock.ts";
import type { ServiceView } from "../../src/component.ts";
import { guardLoopback } from "../../src/self-telemetry/loopback-guard.ts";
import type { HttpExchange, HttpHandler } from "../../src/transport.ts";
import { htmlHeaders, type Page, textHeaders, toHtml, toText } from "./page.ts";
import { buildPage, pageNames } from "./pages.ts";

/** `/debug/<page>` for every page, and an index at `/`. */
export function zpagesRoutes(
  endpoint: string,
  service: ServiceView,
  clock: Clock,
): ReadonlyMap<string, HttpHandler> {
  const routes = new Map<string, HttpHandler>();
  const add = (path: string, page: () => Page) =>
    routes.set(
      path,
      guardLoopback(endpoint, (exchange) => answer(exchange, page)),
    );
  for (const name of pageNames) {
    add(`/debug/${name}`, () => buildPage(name, { service, nowMs: clock.now() }));
  }
  const index: Page = {
    title: "Debug pages",
    links: pageNames.map((name) => `debug/${name}`),
    notes: [`Pages: ${pageNames.map((name) => `/debug/${name}`).join(", ")}`],
    tables: [],
  };
  add("/", () => index);
  return routes;
}

function answer(exchange: HttpExchange, page: () => Page): void {
  if (exchange.method !== "GET" && exchange.method !== "HEAD") {
    exchange.respond(405, { ...textHeaders, allow: "GET, HEAD" });
    return;
  }
  const html = exchange.headers.get("accept")?.some((value) => value.includes("text/html"));
  if (html) exchange.respond(200, htmlHeaders, toHtml(page()));
  else exchange.respond(200, textHeaders, toText(page()));
}
