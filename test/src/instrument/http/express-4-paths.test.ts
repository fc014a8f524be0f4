/** What path-to-regexp 0.1 makes of a path, read back. */
import { createRequire } from "node:module";
import { describe, expect, test } from "@jest/globals";
import { array, assert, constant, oneof, property, stringMatching } from "fast-check";
import { declaredPaths, expressions } from "../../../../src/instrument/http/express-4-paths.ts";

interface Key {
  readonly name: string | number;
}
type PathToRegexp = (path: unknown, keys: Key[], options: { end: boolean }) => RegExp;

const ofExpress4 = createRequire(createRequire(__filename).resolve("express4"));
const pathToRegexp = ofExpress4("path-to-regexp") as PathToRegexp;

function readBack(path: unknown): string[] | undefined {
  const keys: Key[] = [];
  const regexp = pathToRegexp(path, keys, { end: false });
  return declaredPaths(regexp, keys);
}

describe("paths of mounts", () => {
  test.each([
    "/orgs",
    "/orgs/:org",
    "/orgs/:org/repos/:id",
    "/orgs/:org?",
    "/v:version",
    "/:from-:to",
    "/a.b/:name.:format",
    "/:id(\\d+)",
    "/:id(\\d+)/x",
    "/:kind(a|b)",
    "/:path*",
    "/files/*",
    "/~user/@:name",
    "*",
  ])("%s", (path) => {
    expect(readBack(path)).toEqual([path]);
  });

  test("a slash at the end is lost, as it means nothing", () => {
    expect(readBack("/orgs/")).toEqual(["/orgs"]);
  });

  test("several paths", () => {
    expect(readBack(["/a/:x", "/b", "/c/*/:y?"])).toEqual(["/a/:x", "/b", "/c/*/:y?"]);
  });

  test("any of them, alone and with others", () => {
    const part = oneof(
      stringMatching(/^\/[a-z0-9_~@-]{1,8}$/u),
      stringMatching(/^\/:[a-z]{1,8}(\(\\d\+\))?\??$/u),
      stringMatching(/^\/[a-z]{1,4}:[a-z]{1,4}$/u),
      constant("/*"),
    );
    const path = array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(""));
    assert(
      property(array(path, { minLength: 1, maxLength: 4 }), (paths) => {
        expect(readBack(paths)).toEqual(paths);
      }),
    );
  });

  test("the form of releases before 0.1.8", () => {
    const regexp = new RegExp(String.raw`^\/orgs\/(?:([^\/]+?))\/?(?=\/|$)`, "iu");
    expect(declaredPaths(regexp, [{ name: "org" }])).toEqual(["/orgs/:org"]);
  });

  test("an application's own expressions are none", () => {
    for (const own of [
      /^\/v\d+/u,
      /^\/(a|b)\/?(?=\/|$)/u,
      /^\/v\d+\/?(?=\/|$)/u,
      /\/x\/?(?=\/|$)/u,
    ]) {
      expect(readBack(own)).toBeUndefined();
    }
    expect(readBack("/ab?cd")).toBeUndefined();
    expect(readBack("/(a|b)/x")).toBeUndefined();
  });

  test("the copies keep no state", () => {
    const [copy] = expressions(/^\/a/giu);
    expect([copy!.flags, copy!.test("/A"), copy!.test("/A")]).toEqual(["i", true, true]);
  });
});
