import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Secret } from "../../../src/config/fields.ts";
import type { LogsConfig } from "../../../src/self-telemetry/config.ts";
import { createLogger } from "../../../src/self-telemetry/log-writer.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const atMs = Date.UTC(2026, 10, 24, 13, 59, 18, 123);
const defaults: LogsConfig = {
  level: "info",
  encoding: "console",
  output_paths: ["stderr"],
  error_output_paths: ["stderr"],
  sampling: { enabled: true, tick: 10_000, initial: 10, thereafter: 100 },
  initial_fields: {},
};

function open(config: Partial<LogsConfig> = {}) {
  const written = { stdout: "", stderr: "" };
  const streams = {
    stdout: { write: (text: string) => void (written.stdout += text) },
    stderr: { write: (text: string) => void (written.stderr += text) },
  };
  const clock = new FakeClock(atMs);
  const writer = createLogger({ ...defaults, ...config }, clock, streams);
  return { log: writer.logger, writer, written, clock };
}

const lines = (text: string) => text.split("\n").length - 1;

describe("encodings", () => {
  test("console is time, level, message and spaced JSON fields, separated by tabs", () => {
    const { log, written } = open();
    log
      .with({ "otelcol.component.id": "otlp" })
      .info("Starting", { endpoint: "a:1", n: 2, off: undefined });
    log.warn("no fields");
    expect(written.stderr).toBe(
      '2026-11-24T13:59:18.123Z\tinfo\tStarting\t{"otelcol.component.id": "otlp", "endpoint": "a:1", "n": 2}\n' +
        "2026-11-24T13:59:18.123Z\twarn\tno fields\n",
    );
  });

  test("json has zap's keys in zap's order", () => {
    const { log, written } = open({
      encoding: "json",
      initial_fields: { dc: "eu", tags: ["a", 1] },
    });
    log.error("it broke", { error: 'said "no"', msg: "field of the same name" });
    expect(written.stderr).toBe(
      '{"level":"error","ts":"2026-11-24T13:59:18.123Z","msg":"it broke","dc":"eu","tags":["a",1],"error":"said \\"no\\"","msg_":"field of the same name"}\n',
    );
  });

  test("console spaces nested initial fields too", () => {
    const { log, written } = open({ initial_fields: { place: { dc: "eu", racks: [1, 2] } } });
    log.info("x");
    expect(written.stderr).toContain('\t{"place": {"dc": "eu", "racks": [1, 2]}}\n');
  });

  test.each([
    ["a line break", "a\nerror\tforged", "a\n    error\\tforged"],
    ["an escape sequence", "\u001b[31mred", "\\u001b[31mred"],
    ["a C1 control", "\u009b31m", "\\u009b31m"],
    ["a line separator", "a\u2028b", "a\\u2028b"],
  ])("console writes %s of a message visibly", (_name, message, shown) => {
    const { log, written } = open();
    log.info(message);
    expect(written.stderr).toBe(`2026-11-24T13:59:18.123Z\tinfo\t${shown}\n`);
  });

  test.each(["console", "json"] as const)(
    "%s never shows a secret, and no NaN that JSON lacks",
    (encoding) => {
      const { log, written } = open({
        encoding,
        initial_fields: {
          token: new Secret("hunter2"),
          big: 10n,
          ratio: Number.NaN,
          limit: Infinity,
        },
      });
      log.info("x");
      expect(written.stderr).not.toContain("hunter2");
      expect(written.stderr).toMatch(
        /"token": ?"\[REDACTED\]".*"ratio": ?"NaN".*"limit": ?"\+Inf"/u,
      );
    },
  );
});

describe("levels", () => {
  test.each([
    ["debug", 4],
    ["info", 3],
    ["warn", 2],
    ["error", 1],
    ["fatal", 0],
  ] as const)("%s writes %d of the four", (level, count) => {
    const { log, written } = open({ level });
    log.debug("d");
    log.info("i");
    log.warn("w");
    log.error("e");
    expect(lines(written.stderr)).toBe(count);
  });
});

describe("sampling", () => {
  test("of equal lines the first pass, then every n-th, anew in each tick", async () => {
    const { log, written, clock } = open({
      sampling: { enabled: true, tick: 1000, initial: 2, thereafter: 3 },
    });
    for (let i = 0; i < 11; i++) log.info("same");
    expect(lines(written.stderr)).toBe(2 + 3);
    log.info("other");
    log.warn("same");
    expect(lines(written.stderr)).toBe(7);
    await clock.advance(1000);
    log.info("same");
    expect(lines(written.stderr)).toBe(8);
  });

  test("thereafter 0 drops the rest of the tick, and enabled false samples nothing", () => {
    const few = open({ sampling: { enabled: true, tick: 1000, initial: 1, thereafter: 0 } });
    const all = open({ sampling: { enabled: false, tick: 1000, initial: 1, thereafter: 0 } });
    for (let i = 0; i < 500; i++) {
      few.log.info("same");
      all.log.info("same");
    }
    expect([lines(few.written.stderr), lines(all.written.stderr)]).toEqual([1, 500]);
  });
});

describe("outputs", () => {
  let directory = "";
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "log-writer-"));
  });
  afterAll(() => rm(directory, { recursive: true }));

  test("go to the streams and to files, which are appended to", async () => {
    const path = join(directory, "a.log");
    const paths = ["stdout", path, pathToFileURL(join(directory, "b.log")).href];
    for (const text of ["one", "two"]) {
      const { log, writer, written } = open({ output_paths: paths });
      log.info(text);
      await writer.close();
      expect(written.stdout).toContain(text);
      expect(written.stderr).toBe("");
    }
    expect(await readFile(path, "utf8")).toMatch(/one\n.*two\n$/u);
    expect(await readFile(join(directory, "b.log"), "utf8")).toMatch(/one\n.*two\n$/u);
  });

  test("a file that cannot be opened is a config error in zap's words", () => {
    const path = join(directory, "missing", "a.log");
    expect(() => open({ output_paths: [path] })).toThrow(
      `open sink ${JSON.stringify(path)}: ENOENT`,
    );
  });

  test("a write error is told on the error outputs", async () => {
    const { log, writer, written } = open({ output_paths: ["/dev/full"] });
    log.info("x");
    await writer.close();
    expect(written.stderr).toMatch(/^2026-11-24T13:59:18.123Z write error: ENOSPC/u);
  });
});

describe("recent errors", () => {
  test("keep the last 50 error lines with their component, also those that were sampled away", async () => {
    const { log, writer, clock } = open({ level: "fatal" });
    log.warn("not an error");
    log.error("first");
    for (let i = 1; i <= 50; i++) {
      await clock.advance(1);
      log
        .with({ "otelcol.component.id": "otlp_grpc/eu" })
        .error("push failed", { error: `no ${i}` });
    }
    const recent = writer.recentErrors();
    expect(recent).toHaveLength(50);
    expect(recent[0]).toEqual({
      atMs: atMs + 1,
      component: "otlp_grpc/eu",
      message: "push failed: no 1",
    });
    expect(recent.at(-1)?.message).toBe("push failed: no 50");
  });

  test("a sentence and its cause are one", () => {
    const { log, writer } = open();
    log.error("Exporting failed. Dropping data.", { error: "no more retries left" });
    expect(writer.recentErrors()[0]?.message).toBe(
      "Exporting failed. Dropping data: no more retries left",
    );
  });

  test("an error without a component is the service's", () => {
    const { log, writer } = open();
    log.error("x");
    expect(writer.recentErrors()).toEqual([{ atMs, component: "service", message: "x" }]);
  });
});
