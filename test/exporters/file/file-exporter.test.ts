import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { afterAll, describe, expect, test } from "@jest/globals";
import { FileExporter } from "../../../exporters/file/file-exporter.ts";
import { nodeFileSystem } from "../../../exporters/file/file-system.ts";
import { messageFromJson } from "../../../src/pdata/json/decode.ts";
import { encodeJson } from "../../../src/pdata/json/encode.ts";
import { createPayload, type Payload } from "../../../src/pdata/payload.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { bodiesOf, logsPayload } from "../../support/payloads.ts";
import { testBudget, testSettings } from "../../support/settings.ts";
import { configOf, FaultyFileSystem, lineOf, temporaryDirectory } from "./support.ts";

const context = { receivedMs: 0 };
const never = new AbortController().signal;

interface Bench {
  exporter: FileExporter;
  files: FaultyFileSystem;
  settings: ReturnType<typeof testSettings>;
  clock: FakeClock;
  directory: string;
  path: string;
  push: (payload: Payload) => Promise<unknown>;
  read: (name?: string) => string;
}

/** A started exporter that writes to `data.json` in a directory of its own. */
async function start(
  input: Record<string, unknown> = {},
  directory = temporaryDirectory(),
): Promise<Bench> {
  const path = join(directory, "data.json");
  const files = new FaultyFileSystem();
  const clock = new FakeClock();
  const settings = testSettings({ id: "file", clock, budget: testBudget() });
  const exporter = new FileExporter(configOf({ path, ...input }), settings, files);
  await exporter.start();
  return {
    exporter,
    files,
    settings,
    clock,
    directory,
    path,
    push: (payload) => exporter.push(payload, context, never),
    read: (name = "data.json") => readFileSync(join(directory, name), "utf8"),
  };
}

const mebibyte = 1024 * 1024;
const big = (name: string) => logsPayload([name + "x".repeat(400_000)]);

/** A request with a resource per segment; undefined: without the attribute. */
const grouped = (...segments: (string | undefined)[]): Payload<"logs"> => {
  const resources = segments.map((segment, i) => ({
    resource: {
      attributes: [
        { key: "other", value: { intValue: i } },
        ...(segment === undefined
          ? []
          : [{ key: "fileexporter.path_segment", value: { stringValue: segment } }]),
      ],
    },
    scopeLogs: [{ logRecords: [{ body: { stringValue: `${segment} ${i}` } }, {}] }],
  }));
  const json = JSON.stringify({ resourceLogs: resources });
  const bytes = messageFromJson("ExportLogsServiceRequest", Buffer.from(json));
  return createPayload("logs", [bytes], [segments.length * 2]);
};
const startGrouped = (groupBy: Record<string, unknown> = {}, directory = temporaryDirectory()) =>
  start(
    { path: join(directory, "out/*.json"), group_by: { enabled: true, ...groupBy } },
    directory,
  );
const linesIn = (bench: Bench, name: string) =>
  bench
    .read(join("out", name))
    .trimEnd()
    .split("\n")
    .map((line) => bodies(fromJson(Buffer.from(line))));

const first = logsPayload(["a", "b"]);
const second = logsPayload(["c"]);

describe("formats", () => {
  test("json: a line per payload", async () => {
    const { push, read, exporter } = await start();
    await push(first);
    expect(read()).toBe(lineOf(first));
    await push(createPayload("logs", [...first.parts, ...second.parts], [2, 1]));
    await exporter.shutdown(never);
    const joint = createPayload("logs", [...first.parts, ...second.parts], [2, 1]);
    expect(read()).toBe(lineOf(first) + lineOf(joint));
  });

  test("proto: length, then the request", async () => {
    const { push, path, exporter } = await start({ format: "proto" });
    await push(createPayload("logs", [...first.parts, ...second.parts], [2, 1]));
    await push(second);
    await exporter.shutdown(never);
    const messages = messagesOf(readFileSync(path));
    expect(messages.map(bodies)).toEqual([["a", "b", "c"], ["c"]]);
  });

  test.each(["json", "proto"])("%s with zstd: length, then one frame", async (format) => {
    const { push, path, exporter } = await start({ format, compression: "zstd" });
    await push(first);
    await push(second);
    await exporter.shutdown(never);
    const messages = messagesOf(readFileSync(path)).map((frame) => zstdDecompressSync(frame));
    const requests = format === "proto" ? messages : messages.map(fromJson);
    expect(requests.map(bodies)).toEqual([["a", "b"], ["c"]]);
  });

  test("a payload without anything writes nothing", async () => {
    const { push, read, exporter } = await start();
    await push(createPayload("logs", [], []));
    await exporter.shutdown(never);
    expect(read()).toBe("");
  });
});

describe("opening", () => {
  test("an existing file is emptied", async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "data.json"), "old\n");
    const { push, read, exporter } = await start({}, directory);
    expect(read()).toBe("");
    await push(second);
    await exporter.shutdown(never);
    expect(read()).toBe(lineOf(second));
  });

  test.each([
    ["append", { append: true }],
    ["rotation", { rotation: {} }],
  ])("with %s it is added to", async (_, input) => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "data.json"), "old\n");
    const { push, read, exporter } = await start(input, directory);
    await push(second);
    await exporter.shutdown(never);
    expect(read()).toBe(`old\n${lineOf(second)}`);
  });

  test("half a line left by a crash is ended, so that the next line is whole", async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "data.json"), '{"half');
    const { push, read, exporter } = await start({ append: true }, directory);
    await push(second);
    await exporter.shutdown(never);
    expect(read()).toBe(`{"half\n${lineOf(second)}`);
  });

  test("only the owner may read the file", async () => {
    const { path, exporter } = await start();
    await exporter.shutdown(never);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("a missing directory fails the start", async () => {
    const path = join(temporaryDirectory(), "missing", "data.json");
    await expect(start({ path })).rejects.toMatchObject({
      code: "START_FAILED",
      message: expect.stringMatching(/^cannot open file .*missing\/data.json: ENOENT/),
    });
  });

  test("create_directory creates it with the permissions asked for", async () => {
    const directory = temporaryDirectory();
    const path = join(directory, "a", "b", "data.json");
    const { exporter } = await start({
      path,
      create_directory: true,
      directory_permissions: "0700",
    });
    await exporter.shutdown(never);
    expect(existsSync(path)).toBe(true);
    expect(statSync(join(directory, "a", "b")).mode & 0o777).toBe(0o700);
  });

  test("works without start, and shuts down without start and twice", async () => {
    const path = join(temporaryDirectory(), "data.json");
    const exporter = new FileExporter(configOf({ path }), testSettings());
    await exporter.shutdown(never);
    await exporter.push(first, context, never);
    await exporter.shutdown(never);
    await exporter.shutdown(never);
    expect(readFileSync(path, "utf8")).toBe(lineOf(first));
  });

  test("a device can be written to", async () => {
    const { push, exporter } = await start({ path: "/dev/null" });
    await expect(push(first)).resolves.toEqual({});
    await exporter.shutdown(never);
  });
});

describe("writing", () => {
  test("a push resolves only when its bytes are written; what arrives meanwhile goes out together", async () => {
    const bench = await start();
    const { promise, resolve } = Promise.withResolvers<void>();
    bench.files.beforeWrite = promise;
    const settled: number[] = [];
    const pushes = Array.from({ length: 50 }, (_, i) =>
      bench.push(logsPayload([`record ${i}`])).then(() => settled.push(i)),
    );
    await bench.clock.advance(0);
    expect(settled).toEqual([]);
    expect(bench.settings.budget.usedBytes).toBeGreaterThan(0);
    resolve();
    await Promise.all(pushes);
    // One write for what was first, one for all the others.
    expect(bench.files.writes).toBeLessThanOrEqual(3);
    expect(bench.read().split("\n")).toHaveLength(51);
    expect(bench.settings.budget.usedBytes).toBe(0);
    await bench.exporter.shutdown(never);
  });

  test("pushes beyond the buffer wait, and all are written", async () => {
    const bench = await start({ format: "proto" });
    const large = logsPayload(["x".repeat(6 * 1024 * 1024)]);
    const { promise, resolve } = Promise.withResolvers<void>();
    bench.files.beforeWrite = promise;
    const pushes = Array.from({ length: 5 }, () => bench.push(large));
    await bench.clock.advance(0);
    // Two of 6 MiB fit into 16 MiB.
    expect(bench.settings.budget.usedBytes).toBeLessThan(13 * 1024 * 1024);
    resolve();
    await Promise.all(pushes);
    expect(statSync(bench.path).size).toBe(5 * (large.byteLength + 4));
    await bench.exporter.shutdown(never);
  });

  test("written data is forced to the disk every flush_interval, and only when there is some", async () => {
    const bench = await start({ flush_interval: "5s" });
    await bench.push(first);
    await bench.clock.advance(4999);
    expect(bench.files.syncs).toBe(0);
    await bench.clock.advance(1);
    expect(bench.files.syncs).toBe(1);
    await bench.clock.advance(60_000);
    expect(bench.files.syncs).toBe(1);
    await bench.push(second);
    await bench.exporter.shutdown(never);
    expect(bench.files.syncs).toBe(2);
    expect(bench.clock.pending).toBe(0);
  });

  test("a disk that hangs holds up neither pushes nor the shutdown once time is up", async () => {
    const bench = await start();
    const hang = Promise.withResolvers<void>();
    bench.files.beforeWrite = hang.promise;
    const abort = new AbortController();
    const pushed = bench.exporter.push(first, context, abort.signal);
    const stopped = bench.exporter.shutdown(abort.signal);
    await bench.clock.advance(0);
    abort.abort();
    await expect(pushed).rejects.toMatchObject({ code: "SHUTTING_DOWN", retryable: true });
    await expect(stopped).resolves.toBeUndefined();
    hang.resolve();
    await bench.exporter.shutdown(never);
  });

  test("an aborted push is refused retryably", async () => {
    const { exporter } = await start();
    await expect(exporter.push(first, context, AbortSignal.abort())).rejects.toMatchObject({
      code: "SHUTTING_DOWN",
      retryable: true,
    });
    await exporter.shutdown(never);
  });
});

describe("a full disk", () => {
  test("refuses retryably, leaves no torn line, and loses nothing", async () => {
    const bench = await start();
    await bench.push(first);
    bench.files.roomBytes = 10;
    await expect(bench.push(second)).rejects.toMatchObject({
      code: "FILE_WRITE_FAILED",
      retryable: true,
      message: `cannot write file ${bench.path}: ENOSPC: as told by the test`,
    });
    expect(bench.read()).toBe(lineOf(first));
    bench.files.roomBytes = Number.POSITIVE_INFINITY;
    await bench.push(second);
    expect(bench.read()).toBe(lineOf(first) + lineOf(second));
    await bench.exporter.shutdown(never);
  });

  test("where even cutting fails, the torn piece is cut before the next write", async () => {
    const bench = await start();
    await bench.push(first);
    bench.files.roomBytes = 10;
    bench.files.truncateFails = true;
    await expect(bench.push(second)).rejects.toThrow("ENOSPC");
    expect(bench.read()).toBe(lineOf(first) + lineOf(second).slice(0, 10));
    bench.files.roomBytes = Number.POSITIVE_INFINITY;
    await expect(bench.push(second)).rejects.toThrow("EIO");
    bench.files.truncateFails = false;
    await bench.push(second);
    expect(bench.read()).toBe(lineOf(first) + lineOf(second));
    await bench.exporter.shutdown(never);
  });

  test("within a group what is whole in the file is acknowledged, the rest is not", async () => {
    const bench = await start();
    const { promise, resolve } = Promise.withResolvers<void>();
    bench.files.beforeWrite = promise;
    const payloads = Array.from({ length: 6 }, (_, i) => logsPayload([`record ${i}`]));
    const results = payloads.map((payload) =>
      bench.push(payload).then(
        () => payload,
        () => undefined,
      ),
    );
    await bench.clock.advance(0);
    bench.files.roomBytes = lineOf(payloads[0]!).length * 3 + 20;
    resolve();
    const written = (await Promise.all(results)).filter((payload) => payload !== undefined);
    expect(written).toHaveLength(3);
    expect(bench.read()).toBe(written.map(lineOf).join(""));
    await bench.exporter.shutdown(never);
  });

  test("a file emptied by somebody else in the meantime is not filled up with zeros", async () => {
    const bench = await start();
    await bench.push(first);
    writeFileSync(bench.path, "");
    bench.files.roomBytes = 10;
    await expect(bench.push(second)).rejects.toThrow("ENOSPC");
    bench.files.roomBytes = Number.POSITIVE_INFINITY;
    await bench.push(second);
    expect(bench.read()).toBe(lineOf(second));
    await bench.exporter.shutdown(never);
  });

  test("the status says so, once, until a write succeeds", async () => {
    const bench = await start();
    const states: string[] = [];
    const settings = {
      ...bench.settings,
      report: (status: { state: string }) => void states.push(status.state),
    };
    const exporter = new FileExporter(
      configOf({ path: bench.path, append: true }),
      settings,
      bench.files,
    );
    await exporter.start();
    bench.files.roomBytes = 0;
    await expect(exporter.push(first, context, never)).rejects.toThrow("ENOSPC");
    await expect(exporter.push(first, context, never)).rejects.toThrow("ENOSPC");
    bench.files.roomBytes = Number.POSITIVE_INFINITY;
    await exporter.push(first, context, never);
    await exporter.push(first, context, never);
    expect(states).toEqual(["recoverable", "ok"]);
    await exporter.shutdown(never);
    await bench.exporter.shutdown(never);
  });

  const mounted: string[] = [];
  afterAll(() => {
    for (const directory of mounted) run("umount", directory);
  });

  test("a real one: every acknowledged record is in the file, whole and once", async () => {
    const directory = temporaryDirectory();
    try {
      run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", directory);
    } catch (error) {
      process.stderr.write(`SKIPPED: cannot mount a small tmpfs (${String(error)})\n`);
      return;
    }
    mounted.push(directory);
    const path = join(directory, "data.json");
    writeFileSync(join(directory, "ballast"), Buffer.alloc(20_000));
    const exporter = new FileExporter(configOf({ path }), testSettings());
    await exporter.start();
    const acknowledged: string[] = [];
    const refusals: unknown[] = [];
    let refused: Payload | undefined;
    for (let i = 0; refused === undefined; i++) {
      const name = `record ${i} ${"x".repeat(700)}`;
      const payload = logsPayload([name]);
      try {
        await exporter.push(payload, context, never);
        acknowledged.push(name);
      } catch (error) {
        refusals.push(error);
        refused = payload;
      }
    }
    expect(refusals).toEqual([
      expect.objectContaining({ code: "FILE_WRITE_FAILED", retryable: true }),
    ]);
    expect(acknowledged.length).toBeGreaterThan(10);
    const linesOf = () => readFileSync(path, "utf8").trimEnd().split("\n");
    expect(linesOf().map((line) => bodies(fromJson(Buffer.from(line)))[0])).toEqual(acknowledged);
    // Room again: the refused record goes through.
    writeFileSync(join(directory, "ballast"), "");
    await exporter.push(refused, context, never);
    expect(linesOf()).toHaveLength(acknowledged.length + 1);
    await exporter.shutdown(never);
  });
});

describe("rotation", () => {
  test("a file is put aside before it grows beyond max_megabytes, and all records are kept", async () => {
    const bench = await start({ rotation: { max_megabytes: 1 } });
    for (const name of ["a", "b", "c", "d", "e"]) {
      await bench.push(big(name));
      await bench.clock.advance(1000);
    }
    await bench.exporter.shutdown(never);
    const names = readdirSync(bench.directory).toSorted();
    expect(names).toEqual([
      "data-2023-11-14T22-13-22.000.json",
      "data-2023-11-14T22-13-24.000.json",
      "data.json",
    ]);
    const firsts = names.map((name) =>
      bench
        .read(name)
        .trimEnd()
        .split("\n")
        .map((line) => bodies(fromJson(Buffer.from(line)))[0]![0]),
    );
    expect(firsts).toEqual([["a", "b"], ["c", "d"], ["e"]]);
    for (const name of names) {
      expect(statSync(join(bench.directory, name)).size).toBeLessThan(mebibyte);
    }
  });

  test("records of one group are spread over files, too", async () => {
    const bench = await start({ rotation: { max_megabytes: 1 } });
    await Promise.all(["a", "b", "c", "d", "e"].map((name) => bench.push(big(name))));
    await bench.exporter.shutdown(never);
    const sizes = readdirSync(bench.directory).map(
      (name) => statSync(join(bench.directory, name)).size,
    );
    expect(sizes.length).toBeGreaterThanOrEqual(3);
    expect(Math.max(...sizes)).toBeLessThan(mebibyte);
  });

  test("a record larger than a file has a file of its own", async () => {
    const bench = await start({ rotation: { max_megabytes: 1 } });
    await bench.push(second);
    await bench.push(logsPayload(["x".repeat(3 * mebibyte)]));
    await bench.push(second);
    await bench.exporter.shutdown(never);
    expect(readdirSync(bench.directory)).toHaveLength(3);
  });

  test("only max_backups files are kept", async () => {
    const bench = await start({ rotation: { max_megabytes: 1, max_backups: 1 } });
    for (let i = 0; i < 8; i++) {
      await bench.push(big(String(i)));
      await bench.clock.advance(1000);
    }
    await bench.exporter.shutdown(never);
    expect(readdirSync(bench.directory)).toHaveLength(2);
  });

  test("where renaming fails the record is refused retryably and the file stays as it is", async () => {
    const bench = await start({ rotation: { max_megabytes: 1 } });
    await bench.push(big("a"));
    await bench.push(big("b"));
    bench.files.renameFails = true;
    await expect(bench.push(big("c"))).rejects.toMatchObject({ retryable: true });
    bench.files.renameFails = false;
    await bench.push(big("c"));
    await bench.exporter.shutdown(never);
    expect(readdirSync(bench.directory)).toHaveLength(2);
  });

  test("the directory is created", async () => {
    const path = join(temporaryDirectory(), "new", "data.json");
    const { exporter } = await start({ path, rotation: {} });
    await exporter.shutdown(never);
    expect(existsSync(path)).toBe(true);
  });
});

describe("group_by", () => {
  test("resources go to the file that their attribute names", async () => {
    const bench = await startGrouped();
    await bench.push(grouped("one", "two/deep", "one"));
    await bench.push(grouped("one"));
    await bench.exporter.shutdown(never);
    expect(linesIn(bench, "one.json")).toEqual([["one 0", "one 2"], ["one 0"]]);
    expect(linesIn(bench, "two/deep.json")).toEqual([["two/deep 1"]]);
  });

  test("what lacks the attribute is dropped and counted", async () => {
    const bench = await startGrouped();
    await bench.push(grouped("one", undefined, undefined));
    expect(bench.settings.dropped).toEqual(new Map([["missing_attribute", 4]]));
    await bench.exporter.shutdown(never);
  });

  test.each([
    ["../../etc/passwd", "etc/passwd.json"],
    ["/etc/passwd", "etc/passwd.json"],
    [".././two/two", "two/two.json"],
    ["a/../../b", "a/b.json"],
    ["..\\..\\b", "b.json"],
    ["x\0y", "xy.json"],
    ["..", ".json"],
  ])("%j stays below the root as %s", async (segment, name) => {
    const bench = await startGrouped();
    await bench.push(grouped(segment));
    await bench.exporter.shutdown(never);
    expect(linesIn(bench, name)).toHaveLength(1);
    expect(readdirSync(bench.directory)).toEqual(["out"]);
  });

  test("no symbolic link leads out of the root, neither a directory nor the file itself", async () => {
    const bench = await startGrouped();
    const outside = temporaryDirectory();
    mkdirSync(join(bench.directory, "out"));
    symlinkSync(outside, join(bench.directory, "out", "link"));
    symlinkSync(join(outside, "target.json"), join(bench.directory, "out", "file.json"));
    await bench.push(grouped("link/x", "file", "good"));
    expect(readdirSync(outside)).toEqual([]);
    expect(bench.settings.dropped).toEqual(new Map([["file_write_failed", 4]]));
    expect(linesIn(bench, "good.json")).toHaveLength(1);
    await bench.exporter.shutdown(never);
  });

  test("a value that makes no file name is dropped and holds up nobody", async () => {
    const bench = await startGrouped();
    await bench.push(grouped("x".repeat(300), "good"));
    expect(bench.settings.dropped).toEqual(new Map([["file_write_failed", 2]]));
    expect(linesIn(bench, "good.json")).toHaveLength(1);
    await bench.exporter.shutdown(never);
  });

  test("a retry after a partial failure writes only what is missing", async () => {
    const bench = await startGrouped();
    await bench.push(grouped("one", "two"));
    const payload = grouped("one", "two");
    bench.files.roomBytes = encodeJson(payload).length / 2 + 20;
    await expect(bench.push(payload)).rejects.toMatchObject({ retryable: true });
    bench.files.roomBytes = Number.POSITIVE_INFINITY;
    await bench.push(payload);
    await bench.exporter.shutdown(never);
    expect(linesIn(bench, "one.json")).toHaveLength(2);
    expect(linesIn(bench, "two.json")).toHaveLength(2);
  });

  test("at most max_open_files are open, and a file that is opened again is added to", async () => {
    const bench = await startGrouped({ max_open_files: 2 });
    const segments = ["a", "b", "c", "d", "e"];
    for (let round = 0; round < 3; round++) {
      for (const segment of segments) await bench.push(grouped(segment));
    }
    await bench.exporter.shutdown(never);
    expect(bench.files.opens).toHaveLength(15);
    expect(bench.files.mostOpen).toBe(2);
    for (const segment of segments) expect(linesIn(bench, `${segment}.json`)).toHaveLength(3);
  });

  test("nor are more open where one payload has more groups, and several come at a time", async () => {
    const bench = await startGrouped({ max_open_files: 3 });
    const segments = Array.from({ length: 40 }, (_, i) => `group-${i}`);
    await Promise.all([0, 1, 2, 3].map(() => bench.push(grouped(...segments))));
    await bench.exporter.shutdown(never);
    expect(bench.files.mostOpen).toBe(3);
    expect(bench.files.openNow).toBe(0);
    for (const segment of segments) expect(linesIn(bench, `${segment}.json`)).toHaveLength(4);
  });

  test("files of an earlier run are emptied when they are first written to", async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "out"));
    writeFileSync(join(directory, "out", "one.json"), "old\n");
    const bench = await startGrouped({}, directory);
    await bench.push(grouped("one"));
    await bench.exporter.shutdown(never);
    expect(linesIn(bench, "one.json")).toHaveLength(1);
  });
});

test("the real file system is used by default", async () => {
  const path = join(temporaryDirectory(), "data.json");
  const exporter = new FileExporter(configOf({ path }), testSettings(), nodeFileSystem);
  await exporter.start();
  await exporter.push(first, context, never);
  expect(readFileSync(path, "utf8")).toBe(lineOf(first));
  await exporter.shutdown(never);
});

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: "pipe" });
}

/** Length-prefixed messages. */
function messagesOf(file: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const length = file.readUInt32BE(at);
    messages.push(file.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return messages;
}

function fromJson(json: Uint8Array): Uint8Array {
  return messageFromJson("ExportLogsServiceRequest", json);
}

function bodies(request: Uint8Array): string[] {
  return bodiesOf(createPayload("logs", [request], [0]));
}
