import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { config } from "../../../exporters/file/config.ts";
import { decode } from "../../../src/config/decode.ts";
import { child } from "../../../src/config/tree.ts";
import { parseYaml } from "../../../src/config/yaml.ts";

/** Origin: opentelemetry-collector-contrib@0796f50 exporter/fileexporter/testdata, copied. */
const samplePath = join(
  __dirname,
  "../../testdata/collector/component-config/fileexporter/config.yaml",
);
const samples = parseYaml(readFileSync(samplePath, "utf8"), "config.yaml").node;

const defaults = {
  append: false,
  format: "json",
  compression: "",
  flush_interval: 1000,
  group_by: {
    enabled: false,
    resource_attribute: "fileexporter.path_segment",
    max_open_files: 100,
  },
  create_directory: false,
  directory_permissions: "",
};
const rotation = { max_megabytes: 10, max_days: 3, max_backups: 3, localtime: true };
const defaultRotation = { max_megabytes: 100, max_days: 0, max_backups: 100, localtime: false };

function decodeSample(name: string) {
  const node = child(samples, name);
  if (node === undefined) throw new Error(`no sample ${name}`);
  return decode(config, node, ["exporters", name]);
}

describe("the Collector's own samples", () => {
  test.each<[string, Record<string, unknown>]>([
    ["file/2", { path: "./filename.json", rotation }],
    ["file/3", { path: "./filename", rotation, format: "proto", compression: "zstd" }],
    ["file/no_rotation", { path: "./foo" }],
    ["file/rotation_with_default_settings", { path: "./foo", rotation: defaultRotation }],
    [
      "file/rotation_with_custom_settings",
      { path: "./foo", rotation: { ...defaultRotation, max_megabytes: 1234 } },
    ],
    ["file/flush_interval_5", { path: "./flushed", flush_interval: 5e-6 }],
    ["file/flush_interval_5s", { path: "./flushed", flush_interval: 5000 }],
    ["file/flush_interval_500ms", { path: "./flushed", flush_interval: 500 }],
    [
      "file/group_by",
      {
        path: "./group_by/*.json",
        group_by: { enabled: true, resource_attribute: "dummy", max_open_files: 10 },
      },
    ],
    [
      "file/group_by_defaults",
      { path: "./group_by/*.json", group_by: { ...defaults.group_by, enabled: true } },
    ],
  ])("%s", (name, expected) => {
    const { issues, value } = decodeSample(name);
    expect(issues).toEqual([]);
    expect(value).toEqual({ ...defaults, ...expected });
  });

  test.each([
    ["file", "path must be non-empty"],
    ["file/format_error", "format type is not supported"],
    ["file/compression_error", "compression is not supported"],
    ["file/flush_interval_negative_value", "flush_interval must be larger than zero"],
    ["file/group_by_invalid_path", "path must contain exactly one * when group_by is enabled"],
    ["file/group_by_invalid_path2", "path must not start with * when group_by is enabled"],
    [
      "file/group_by_empty_resource_attribute",
      "resource_attribute must not be empty when group_by is enabled",
    ],
  ])("%s is refused: %s", (name, message) => {
    const issues = decodeSample(name).issues;
    expect(issues.map((issue) => issue.message)).toEqual([expect.stringContaining(message)]);
  });
});

test.each([
  [
    { append: true, compression: "zstd" },
    "append and compression enabled at the same time is not supported",
  ],
  [{ append: true, rotation: {} }, "append and rotation enabled at the same time is not supported"],
  [{ directory_permissions: "0755" }, "directory_permissions requires create_directory to be true"],
  [
    { create_directory: true, directory_permissions: "0899" },
    "directory_permissions value must be a valid octal representation",
  ],
  [
    { create_directory: true, directory_permissions: "7777" },
    "directory_permissions contain invalid bits for file access",
  ],
])("%j is refused: %s", (input, message) => {
  const result = config.safeParse({ path: "x", ...input });
  expect(result.error?.issues.map((issue) => issue.message)).toEqual([message]);
});

test("an encoding extension is refused with the reason", () => {
  const node = parseYaml("path: x\nencoding: otlp_json\n", "config.yaml").node;
  const { issues } = decode(config, node, ["file"]);
  expect(issues.map((issue) => issue.message)).toEqual([
    "'encoding' is not supported: there are no encoding extensions; use `format`",
  ]);
});
