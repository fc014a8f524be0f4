import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { Interned, passing } from "../../../../src/pdata/series/interned.ts";
import { Generations, RawCache } from "../../../../src/pdata/series/raw-cache.ts";

class Parent extends Interned<Parent, string> {
  readonly parent = undefined;
}

class Child extends Interned<Child, string> {
  readonly parent: Parent;

  constructor(parent: Parent, hash: number, length: number) {
    super(hash, length);
    this.parent = parent;
  }
}

function setUp(maxBytes: number, maxKeyBytes?: number) {
  const generations = new Generations(maxBytes);
  const parents = new RawCache<Parent>(generations, maxKeyBytes);
  const children = new RawCache<Child>(generations, maxKeyBytes);
  const viewOf = (key: string) => new DataView(Uint8Array.from(Buffer.from(`..${key}`)).buffer);
  return {
    generations,
    parent: (key: string, hash: number) =>
      parents.intern(undefined, hash, viewOf(key), 2, key.length, (h) => new Parent(h, key.length)),
    child: (of: Parent, key: string, hash: number) =>
      children.intern(of, hash, viewOf(key), 2, key.length, (h) => new Child(of, h, key.length)),
    keepChild: (child: Child) => children.keep(child),
  };
}

const keyOf = ({ slab, offset, length }: Parent | Child) =>
  Buffer.from(slab.bytes.subarray(offset, offset + length)).toString();

describe("equal hashes", () => {
  test("are told apart by their bytes and their parents", () => {
    const { parent, child } = setUp(1e6);
    const keys = ["", "a", "b", "ab", "aa", "x".repeat(7), "x".repeat(8), "x".repeat(9)];
    const [one, other] = [parent("one", 7), parent("other", 7)];
    const all = [one, other].flatMap((of) => keys.map((key) => child(of, key, 7)));
    expect(new Set(all).size).toBe(2 * keys.length);
    expect(all.map(keyOf)).toEqual([...keys, ...keys]);
    expect([one, other].flatMap((of) => keys.map((key) => child(of, key, 7)))).toEqual(all);
  });
});

test("whatever comes, in any order: the right object, within the bound, children only with their parents", () => {
  const step = fc.record({
    parent: fc.nat(6),
    child: fc.nat(40),
    length: fc.constantFrom(1, 30, 300),
    isKept: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 300 }),
      fc.constantFrom(1500, 4000, 10_000, 1_000_000),
      // How many hashes there are: with one, everything collides.
      fc.constantFrom(1, 3, 1000),
      (steps, maxBytes, hashes) => {
        const cache = setUp(maxBytes);
        const known = new Map<string, Child>();
        for (const { parent: p, child: c, length, isKept } of steps) {
          const parentKey = `p${p}`.padEnd(length);
          const childKey = `c${c}`.padEnd(length);
          const of = cache.parent(parentKey, p % hashes);
          const before = known.get(parentKey + childKey);
          const isHeld = before !== undefined && before.generation >= 0 && before.parent === of;
          if (isHeld && isKept) cache.keepChild(before);
          const found = cache.child(of, childKey, c % hashes);
          expect([keyOf(of), keyOf(found), found.parent]).toEqual([parentKey, childKey, of]);
          // What is noted on it was noted for this series, by this object.
          expect(found.memo).toBe(isHeld ? parentKey + childKey : undefined);
          found.memo = parentKey + childKey;
          known.set(parentKey + childKey, found);
          expect(cache.generations.heldBytes).toBeLessThanOrEqual(Math.max(maxBytes, 4 * 560));
          const held = [...known.values()].filter(({ generation }) => generation >= 0);
          const orphaned = held.filter((one) => one.parent.generation < 0);
          // The caches may turn between a parent and its child.
          expect(new Set(orphaned.map((one) => one.parent)).size).toBeLessThanOrEqual(2);
        }
      },
    ),
    { numRuns: 60 },
  );
});

describe("what is not kept", () => {
  test("long keys, and whatever lies below them; shorter ones are not pushed out", () => {
    const { parent, child, generations } = setUp(4000, 100);
    const small = parent("small", 1);
    const kept = child(small, "kept", 1);
    const held = generations.heldBytes;
    for (let i = 0; i < 100; i++) {
      const long = parent("x".repeat(101), 1);
      const below = child(long, "below", 1);
      expect([long.generation, below.generation]).toEqual([passing, passing]);
      expect([keyOf(long), keyOf(below)]).toEqual(["x".repeat(101), "below"]);
    }
    expect(generations.heldBytes).toBe(held);
    expect(child(parent("small", 1), "kept", 1)).toBe(kept);
    expect(parent("y".repeat(100), 1)).toBe(parent("y".repeat(100), 1));
  });
});
