import { describe, expect, test } from "@jest/globals";
import { EditCache, EditVariant } from "../../../src/attribute-actions/edit-cache.ts";
import { encodeValue } from "../../../src/attribute-actions/values.ts";
import { encodeAttribute, readKeyValues } from "../../../src/pdata/attributes.ts";

const variant = new EditVariant(0, "x");
const added = Buffer.from("added");

/** Adds an attribute with the variant's value; counts how often it is run. */
function counting(maxBytes?: number, value?: string) {
  const state = { runs: 0 };
  const cache = new EditCache<string>((set, { value: text }) => {
    state.runs++;
    if (set.find(Buffer.from("untouched")) >= 0) return 7;
    set.put(added, encodeValue(value ?? text));
    return 1;
  }, maxBytes);
  const edit = (bytes: Uint8Array, as = variant, number = 7) => {
    const result = cache.lookup(as, number, bytes, 0, bytes.length);
    if (!result.changed) return { flags: result.flags };
    return {
      flags: result.flags,
      ...Object.fromEntries(
        readKeyValues(result.bytes.slice(0, result.end), result.start, result.end, number),
      ),
    };
  };
  return { cache, state, edit };
}

const attribute = (value: string, number = 7, key = "k") => encodeAttribute(number, key, value);

describe("EditCache", () => {
  test("edits once for equal bytes, wherever they lie", () => {
    const { state, edit } = counting();
    for (let i = 0; i < 3; i++) {
      expect(edit(attribute("a"))).toEqual({ flags: 1, k: "a", added: "x" });
      expect(edit(attribute("b"))).toEqual({ flags: 1, k: "b", added: "x" });
    }
    expect(state.runs).toBe(2);
  });

  test("remembers that nothing changes", () => {
    const { state, edit } = counting();
    const bytes = attribute("a", 7, "untouched");
    expect([edit(bytes), edit(bytes)]).toEqual([{ flags: 7 }, { flags: 7 }]);
    expect(state.runs).toBe(1);
  });

  test("variants are told apart", () => {
    const { edit } = counting();
    const other = new EditVariant(1, "y");
    for (let i = 0; i < 2; i++) {
      expect(edit(attribute("a"))).toEqual({ flags: 1, k: "a", added: "x" });
      expect(edit(attribute("a"), other)).toEqual({ flags: 1, k: "a", added: "y" });
    }
  });

  test("an empty set gets the field number that it is asked with", () => {
    const { edit } = counting();
    const empty = new Uint8Array(0);
    expect(edit(empty, variant, 7)).toEqual({ flags: 1, added: "x" });
    expect(edit(empty, variant, 9)).toEqual({ flags: 1, added: "x" });
  });

  test("sets that never repeat stay within the bound and are edited rightly", () => {
    const { cache, edit } = counting(50_000);
    for (let i = 0; i < 4000; i++) {
      expect(edit(attribute(`value ${i}`))).toEqual({ flags: 1, k: `value ${i}`, added: "x" });
    }
    expect(cache.heldBytes).toBeLessThanOrEqual(100_000);
    expect(cache.heldBytes).toBeGreaterThan(12_000);
  });

  test("sets that repeat again after many that did not are found again", () => {
    const { state, edit } = counting();
    for (let i = 0; i < 8000; i++) edit(attribute(`once ${i}`));
    for (let i = 0; i < 12_000; i++) edit(attribute(`again ${i % 10}`));
    state.runs = 0;
    for (let i = 0; i < 1000; i++) edit(attribute(`again ${i % 10}`));
    expect(state.runs).toBe(0);
  });

  test("large results do not go beyond the bound", () => {
    const { cache, edit } = counting(1_000_000, "v".repeat(10_000));
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 500; i++) {
        expect(edit(attribute(`value ${i}`))).toMatchObject({ k: `value ${i}` });
      }
    }
    expect(cache.heldBytes).toBeLessThanOrEqual(2_000_000);
  });

  test("results survive turns of the cache while they are used", () => {
    const { edit } = counting(64_000);
    for (let i = 0; i < 2000; i++) {
      expect(edit(attribute("used"))).toEqual({ flags: 1, k: "used", added: "x" });
      edit(attribute(`other ${i % 700}`));
    }
  });

  test("a huge attribute is edited and not kept", () => {
    const { cache, edit } = counting();
    const huge = "h".repeat(10_000_000);
    expect(edit(attribute(huge))).toEqual({ flags: 1, k: huge, added: "x" });
    expect(cache.heldBytes).toBe(0);
  });

  test("says how much of the original stands at the beginning of the result", () => {
    const { cache } = counting();
    const bytes = Buffer.concat([attribute("same"), attribute("old", 7, "added")]);
    for (let sight = 0; sight < 2; sight++) {
      const {
        bytes: edited,
        start,
        end,
        prefix,
      } = cache.lookup(variant, 7, bytes, 0, bytes.length);
      expect(prefix).toBeLessThanOrEqual(Math.min(end - start, bytes.length));
      expect(Buffer.from(edited.subarray(start, start + prefix))).toEqual(
        bytes.subarray(0, prefix),
      );
      expect(prefix).toBeGreaterThanOrEqual(attribute("same").length);
    }
  });
});
