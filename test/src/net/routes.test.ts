import { expect, test } from "@jest/globals";
import { Routes } from "../../../src/net/routes.ts";

const never = new AbortController().signal;
const owner = {};
const other = {};

function routes() {
  const made = new Routes<string>();
  made.add(owner, new Map([["/a", "A"]]));
  made.add(other, new Map([["/b", "B"]]));
  return made;
}

test("paths lead to the handlers of their owners", () => {
  const made = routes();
  expect(made.find("/a")?.handler).toBe("A");
  expect(made.find("/b")?.handler).toBe("B");
  expect(made.find("/c")).toBeUndefined();
  expect([...made.paths()]).toEqual(["/a", "/b"]);
});

test("a path that ends in /* stands for all below it, the longest counting, exact ones first", () => {
  const made = routes();
  made.add({}, new Map([["/a/*", "below a"]]));
  made.add({}, new Map([["/a/b/*", "below b"]]));
  made.add({}, new Map([["/a/b/exact", "exact"]]));
  expect(made.find("/a")?.handler).toBe("A");
  expect(made.find("/a/")?.handler).toBe("below a");
  expect(made.find("/a/b")?.handler).toBe("below a");
  expect(made.find("/a/b/c/d")?.handler).toBe("below b");
  expect(made.find("/a/b/exact")?.handler).toBe("exact");
  expect(made.find("/ab/c")).toBeUndefined();
});

test("what an owner takes away is unknown, what others serve stays", () => {
  const made = routes();
  made.remove(owner);
  expect(made.find("/a")).toBeUndefined();
  expect(made.find("/b")?.handler).toBe("B");
});

test("an owner without requests is quiet at once", async () => {
  expect(await routes().remove(owner).quiet(never)).toBe(true);
});

test("an owner is quiet when its last request has ended", async () => {
  const made = routes();
  const { use } = made.find("/a")!;
  use.begin();
  use.begin();
  made.find("/b")!.use.begin();
  let isQuiet: boolean | undefined;
  const waiting = made
    .remove(owner)
    .quiet(never)
    .then((quiet) => (isQuiet = quiet));
  use.end();
  await Promise.resolve();
  expect(isQuiet).toBeUndefined();
  use.end();
  await waiting;
  expect(isQuiet).toBe(true);
});

test("the signal ends the waiting", async () => {
  const made = routes();
  const { use } = made.find("/a")!;
  use.begin();
  const controller = new AbortController();
  const waiting = made.remove(owner).quiet(controller.signal);
  controller.abort();
  expect(await waiting).toBe(false);
  expect(await use.quiet(controller.signal)).toBe(false);
});

test("who owned nothing has nothing to wait for", async () => {
  expect(await routes().remove({}).quiet(never)).toBe(true);
});
