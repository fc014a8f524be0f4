import { describe, expect, test } from "@jest/globals";
import type { Context } from "../../../src/component.ts";
import { MetadataPartition } from "../../../src/delivery/metadata-partition.ts";

const context = (entries: Record<string, string[]> | undefined): Context => ({
  receivedMs: 0,
  metadata: entries && new Map(Object.entries(entries)),
});

describe("MetadataPartition", () => {
  const partition = new MetadataPartition(["X-Tenant", "zone"]);

  test("the values of its keys tell contexts apart, other metadata does not", () => {
    const a = context({ "x-tenant": ["a"], zone: ["1"], other: ["x"] });
    const same = context({ zone: ["1"], "x-tenant": ["a"] });
    const b = context({ "x-tenant": ["b"], zone: ["1"] });
    expect(partition.keyOf(a)).toBe(partition.keyOf(same));
    expect(partition.keyOf(a)).not.toBe(partition.keyOf(b));
  });

  test.each<[Record<string, string[]>, Record<string, string[]>]>([
    [{ "x-tenant": [""] }, {}],
    [{ "x-tenant": [] }, {}],
    [{ "x-tenant": ["a", "b"] }, { "x-tenant": ["a,b"] }],
    [{ "x-tenant": ["a"] }, { zone: ["a"] }],
    [{ "x-tenant": ['a"],["b'] }, { "x-tenant": ["a"], zone: ["b"] }],
  ])("%j and %j are two", (left, right) => {
    expect(partition.keyOf(context(left))).not.toBe(partition.keyOf(context(right)));
  });

  test("no metadata at all is as absent keys", () => {
    expect(partition.keyOf(context(undefined))).toBe(partition.keyOf(context({})));
  });

  test("the order of the keys in the config does not matter", () => {
    const other = new MetadataPartition(["ZONE", "x-tenant"]);
    const given = context({ "x-tenant": ["a"], zone: ["1"] });
    expect(other.keyOf(given)).toBe(partition.keyOf(given));
  });

  test("only what a partition has in common is left", () => {
    const given = context({ "x-tenant": ["a"], authorization: ["secret"] });
    expect(partition.commonMetadata(given)).toEqual(new Map([["x-tenant", ["a"]]]));
    expect(new MetadataPartition([]).commonMetadata(given)).toBeUndefined();
  });
});
