import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { nodeFileSystem } from "../../../exporters/file/file-system.ts";
import { backupPath, prune, putAside, type Rotation } from "../../../exporters/file/rotation.ts";
import { temporaryDirectory } from "./support.ts";

const timeMs = Date.UTC(2022, 8, 14, 5, 2, 14, 173);
const dayMs = 86_400_000;
const rotation: Rotation = { maxBytes: 1, maxDays: 0, maxBackups: 0, isLocalTime: false };

function filled(): string {
  const directory = temporaryDirectory();
  for (let day = 0; day < 5; day++) {
    writeFileSync(join(directory, backupPath("d.json", timeMs - day * dayMs, false)), "");
  }
  for (const name of ["d.json", "d-notes.json", "d-2022-99-14T05-02-14.173.json", "e-x.json"]) {
    writeFileSync(join(directory, name), "");
  }
  return directory;
}
const days = (directory: string) =>
  readdirSync(directory)
    .filter((name) => name.startsWith("d-2022-09"))
    .map((name) => Number(name.slice(10, 12)))
    .toSorted((a, b) => b - a);

test.each([
  ["/a/data.json", "/a/data-2022-09-14T05-02-14.173.json"],
  ["data", "data-2022-09-14T05-02-14.173"],
  ["/a.b/x.tar.gz", "/a.b/x.tar-2022-09-14T05-02-14.173.gz"],
])("%s is put aside as %s", (path, expected) => {
  expect(backupPath(path, timeMs, false)).toBe(expected);
});

test("local time is the time that local getters show", () => {
  const local = new Date(timeMs);
  const hours = String(local.getHours()).padStart(2, "0");
  expect(backupPath("d.json", timeMs, true)).toContain(`T${hours}-02-14.173`);
});

test("two files put aside in one millisecond get two names", async () => {
  const directory = temporaryDirectory();
  for (const text of ["1", "2", "3"]) {
    writeFileSync(join(directory, "d.json"), text);
    await putAside(nodeFileSystem, join(directory, "d.json"), timeMs, false);
  }
  expect(readdirSync(directory).toSorted()).toEqual([
    "d-2022-09-14T05-02-14.173.json",
    "d-2022-09-14T05-02-14.174.json",
    "d-2022-09-14T05-02-14.175.json",
  ]);
});

describe("pruning", () => {
  test.each<[string, Partial<Rotation>, number[]]>([
    ["keeps all without limits", {}, [14, 13, 12, 11, 10]],
    ["keeps the youngest max_backups", { maxBackups: 2 }, [14, 13]],
    ["deletes what is older than max_days", { maxDays: 3 }, [14, 13, 12, 11]],
    ["applies both", { maxDays: 3, maxBackups: 1 }, [14]],
  ])("%s", async (_, limits, expected) => {
    const directory = filled();
    await prune(nodeFileSystem, join(directory, "d.json"), timeMs, { ...rotation, ...limits });
    expect(days(directory)).toEqual(expected);
    // Files of other names are nobody's backups.
    expect(readdirSync(directory)).toEqual(
      expect.arrayContaining([
        "d.json",
        "d-notes.json",
        "d-2022-99-14T05-02-14.173.json",
        "e-x.json",
      ]),
    );
  });
});
