import { expect, test } from "@jest/globals";
import {
  accepted,
  durationWithDefault,
  int,
  optionalSection,
  refused,
  section,
  z,
} from "../../src/config/fields.ts";
import { configTable } from "../../tools/config-table.ts";

const rowsOf = (schema: z.ZodType) => configTable(schema).split("\n").slice(2);

test("keys of inner sections, with defaults and flavours", () => {
  const schema = section({
    timeout: durationWithDefault("5s").describe("How long."),
    text: z.string().default("").describe("A | b."),
    queue: optionalSection("some", section({ size: int().default(7).describe("Room.") })).describe(
      "A queue.",
    ),
    batch: optionalSection("default", section({})).describe("A batch."),
  });
  expect(rowsOf(schema)).toEqual([
    "| `timeout` | `5s` | yes | How long. |",
    '| `text` | `""` | yes | A \\| b. |',
    "| `queue` | on | yes | A queue. |",
    "| `queue.size` | `7` | yes | Room. |",
    "| `batch` | off | yes | A batch. |",
  ]);
});

test("entries of lists and maps, also inside each other, behind defaults and checks", () => {
  const operation = section({ action: z.string().describe("What to do.") });
  const transform = section({
    include: z.string().describe("Which."),
    operations: z.array(operation).default([]).describe("In order."),
  }).superRefine(() => {});
  const schema = section({
    transforms: z.array(transform).default([]).describe("All."),
    stores: z
      .record(z.string(), section({ path: z.string().describe("Where.") }))
      .describe("Some."),
    labels: z.record(z.string(), z.string()).describe("Plain."),
  });
  expect(rowsOf(schema)).toEqual([
    "| `transforms` | `[]` | yes | All. |",
    "| `transforms[].include` |  | yes | Which. |",
    "| `transforms[].operations` | `[]` | yes | In order. |",
    "| `transforms[].operations[].action` |  | yes | What to do. |",
    "| `stores` |  | yes | Some. |",
    "| `stores.<name>.path` |  | yes | Where. |",
    "| `labels` |  | yes | Plain. |",
  ]);
});

test("every form of a union; what they share stands once", () => {
  const one = section({ kind: z.literal("a").describe("Which."), x: int().describe("Of a.") });
  const other = section({ kind: z.literal("b").describe("Again."), y: int().describe("Of b.") });
  const schema = section({
    rule: z.union([z.string(), one, other]).describe("A rule."),
    headers: z
      .union([z.record(z.string(), z.string()), z.array(one)])
      .transform(String)
      .describe("Both."),
  });
  expect(rowsOf(schema)).toEqual([
    "| `rule` |  | yes | A rule. |",
    "| `rule.kind` |  | yes | Which. |",
    "| `rule.x` |  | yes | Of a. |",
    "| `rule.y` |  | yes | Of b. |",
    "| `headers` |  | yes | Both. |",
    "| `headers[].kind` |  | yes | Which. |",
    "| `headers[].x` |  | yes | Of a. |",
  ]);
});

test("nothing below a key that has no effect or is refused", () => {
  const inner = section({ x: int().describe("Inner.") });
  const schema = section({
    old: accepted(z.array(inner), "nobody reads it").describe("Old."),
    gone: refused("not built"),
  });
  expect(rowsOf(schema)).toEqual([
    "| `old` |  | none: nobody reads it | Old. |",
    "| `gone` |  | refused: not built |  |",
  ]);
});

test("a section without keys", () => {
  expect(configTable(section({}))).toBe("No keys.");
});
