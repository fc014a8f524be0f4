import {
  durationWithDefault,
  int,
  optionalSection,
  refused,
  section,
  z,
} from "../../src/config/fields.ts";

const rotation = section({
  max_megabytes: int()
    .nonnegative()
    .default(100)
    .describe("The file is put aside before it grows beyond this many MiB; 0 means 100."),
  max_days: int()
    .nonnegative()
    .default(0)
    .describe("Put-aside files older than this many days are deleted; 0: never."),
  max_backups: int()
    .nonnegative()
    .default(100)
    .describe("Of the put-aside files this many are kept; 0: all."),
  localtime: z
    .boolean()
    .default(false)
    .describe("Names put-aside files by local time instead of UTC."),
});

const groupBy = section({
  enabled: z.boolean().default(false).describe("Write a file per value of a resource attribute."),
  resource_attribute: z
    .string()
    .default("fileexporter.path_segment")
    .describe("Resource attribute whose value takes the place of the * in `path`."),
  max_open_files: int()
    .positive()
    .default(100)
    .describe("Files open at a time; the one unused for longest is closed."),
});

const fields = section({
  path: z.string().default("").describe("File to write to; with group_by it contains one *."),
  append: z
    .boolean()
    .default(false)
    .describe("Add to an existing file instead of emptying it at start."),
  rotation: optionalSection("default", rotation).describe(
    "Start a new file when one is large; off unless named.",
  ),
  format: z.string().default("json").describe("json (a line per request) or proto."),
  encoding: refused("there are no encoding extensions; use `format`"),
  compression: z
    .string()
    .default("")
    .describe("zstd: compress each record; none or empty: do not."),
  flush_interval: durationWithDefault("1s").describe(
    "Written data is forced to the disk at least this often; 0 means 1s.",
  ),
  group_by: groupBy.prefault({}).describe("Writing to several files."),
  create_directory: z
    .boolean()
    .default(false)
    .describe("Create the file's directory at start when it is missing."),
  directory_permissions: z
    .string()
    .default("")
    .describe("Octal permissions of created directories; empty means 0755."),
});

type Fields = z.output<typeof fields>;

/** A rule of the Collector's and its text. */
type Check = readonly [path: keyof Fields, isBroken: (value: Fields) => boolean, message: string];

const checks: readonly Check[] = [
  ["path", ({ path }) => path === "", "path must be non-empty"],
  [
    "append",
    (value) => value.append && isCompressed(value.compression),
    "append and compression enabled at the same time is not supported",
  ],
  [
    "append",
    ({ append, rotation: rotates }) => append && rotates !== undefined,
    "append and rotation enabled at the same time is not supported",
  ],
  [
    "format",
    ({ format }) => format !== "json" && format !== "proto",
    "format type is not supported",
  ],
  [
    "compression",
    ({ compression }) => !["", "none", "zstd"].includes(compression),
    "compression is not supported",
  ],
  [
    "flush_interval",
    (value) => value.flush_interval < 0,
    "flush_interval must be larger than zero",
  ],
];

const groupChecks: readonly Check[] = [
  [
    "path",
    ({ path }) => path.split("*").length !== 2,
    "path must contain exactly one * when group_by is enabled",
  ],
  [
    "path",
    ({ path }) => path.startsWith("*"),
    "path must not start with * when group_by is enabled",
  ],
  [
    "group_by",
    (value) => value.group_by.resource_attribute === "",
    "resource_attribute must not be empty when group_by is enabled",
  ],
];

const isCompressed = (compression: string) => compression === "zstd";

/** Why the directory keys are wrong. */
function directoryProblem(value: Fields): string | undefined {
  const { create_directory: creates, directory_permissions: permissions } = value;
  if (permissions === "") return undefined;
  if (!creates) return "directory_permissions requires create_directory to be true";
  if (!/^[0-7]+$/.test(permissions)) {
    return "directory_permissions value must be a valid octal representation";
  }
  if (Number.parseInt(permissions, 8) > 0o777) {
    return "directory_permissions contain invalid bits for file access";
  }
  return undefined;
}

/** The keys of the Collector's file exporter. */
export const config = fields.superRefine((value, context) => {
  const rules = value.group_by.enabled ? [...checks, ...groupChecks] : checks;
  for (const [path, isBroken, message] of rules) {
    if (isBroken(value)) context.addIssue({ code: "custom", path: [path], message });
  }
  const message = directoryProblem(value);
  if (message !== undefined) {
    context.addIssue({ code: "custom", path: ["directory_permissions"], message });
  }
});

export type FileConfig = z.output<typeof config>;
