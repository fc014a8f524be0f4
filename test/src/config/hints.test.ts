/** What a stranger reads: the usual slips, and what each message says about mending them. */
import { describe, expect, test } from "@jest/globals";
import { defineExporter } from "../../../src/component.ts";
import { durationProblem, parseDuration } from "../../../src/config/duration.ts";
import { duration, int, section, z } from "../../../src/config/fields.ts";
import { formatProblems } from "../../../src/config/problems.ts";
import { resolveLoaded } from "../../../src/config/service-config.ts";
import { anything, registryOf, stubFactory } from "../../support/nop-registry.ts";
import { load } from "./support.ts";

const server = section({
  endpoint: z.string().default(""),
  open: z.boolean().default(false),
  wait: duration().optional(),
  size: int().default(1),
});
const registry = registryOf([
  stubFactory("receiver", { type: "otlp", config: section({ http: server.optional() }) }),
  stubFactory("processor", { type: "batch", config: anything }),
  stubFactory("exporter", { type: "debug", config: anything }),
  defineExporter({
    type: "prometheus",
    summary: "",
    config: anything,
    example: {},
    stability: { metrics: "beta" },
    create: () => ({ push: () => Promise.resolve({}) }),
  }),
  stubFactory("extension", { type: "health_check", config: anything }),
]);

/** What is printed for a configuration that must be wrong. */
async function said(text: string): Promise<string> {
  const { config, problems } = await resolveLoaded(load(text), registry);
  expect(config).toBeUndefined();
  return formatProblems(problems);
}

const rest = `
exporters:
  debug:
service:
  pipelines:
    logs: { receivers: [otlp], exporters: [debug] }
`;
const otlp = (body: string) => `receivers:\n  otlp:\n    http: ${body}${rest}`;
const problemsIn = (text: string) => text.split("\n").filter((line) => /^ {2}at /u.test(line));

describe("indentation and YAML", () => {
  test("a key of the component above it", async () => {
    const text = await said(`receivers:\n  otlp:\n  http:\n    endpoint: x:1${rest}`);
    expect(text).toContain(`'receivers' unknown type: "http"`);
    expect(text).toContain(`"http" is a key of "otlp" above it: check the indentation`);
  });

  test("no space behind a colon", async () => {
    const text = await said(otlp("\n      endpoint:localhost:1"));
    expect(text).toContain(`'http' expected a map or struct, got "string"`);
    expect(text).toContain(`a space is missing behind "endpoint:"`);
  });

  test("a quote that is never closed is shown where it opens", async () => {
    const text = await said(otlp(`{ endpoint: x }\nx: "never closed\ny: z`));
    expect(text).toContain("at config-0.yaml:4:4");
    expect(text).toContain("The text that begins here has no closing quote.");
    expect(problemsIn(text)).toHaveLength(1);
  });

  test("what follows a mistake in the text is no mistake of its own", async () => {
    const text = await said(`receivers:\n  otlp: \${env:A:-{a: b}}${rest}`);
    expect(problemsIn(text)).toHaveLength(1);
    expect(text).toContain("config-0.yaml:2:");
  });

  test.each(["@home", "%x", "`x`"])("%s needs quotes", async (value) => {
    const text = await said(otlp(`{ endpoint: ${value} }`));
    expect(text).toContain("Put the text in quotes.");
  });
});

describe("values", () => {
  test.each([
    ["{ open: yes }", "write true or false"],
    ["{ open: off }", "write true or false"],
    ["{ endpoint: 4317 }", "put it in quotes"],
    ["{ endpoint: true }", "put it in quotes"],
    ["{ wait: 5 s }", "a duration is a number with a unit, such as 300ms, 1.5s or 1h30m"],
  ])("%s: %s", async (body, hint) => {
    expect(await said(otlp(body))).toContain(`\n  ${hint}`);
  });

  test("no such advice where it does not help", async () => {
    const text = await said(otlp("{ open: maybe, size: yes }"));
    expect(text).not.toMatch(/write true|quotes/u);
  });

  test("mistakes of one component stand in the order of the file", async () => {
    const text = await said(otlp("\n      wait: true\n      endpoint: 1\n      size: x"));
    expect(problemsIn(text).map((line) => /:(\d+):/u.exec(line)![1])).toEqual(["4", "5", "6"]);
  });
});

/** time.ParseDuration of Go 1.24. */
describe("durations in Go's words", () => {
  test.each([
    ["", `time: invalid duration ""`],
    ["-", `time: invalid duration "-"`],
    ["x", `time: invalid duration "x"`],
    [".s", `time: invalid duration ".s"`],
    ["5", `time: missing unit in duration "5"`],
    ["1m5", `time: missing unit in duration "1m5"`],
    ["5 s", `time: unknown unit " s" in duration "5 s"`],
    ["5sec", `time: unknown unit "sec" in duration "5sec"`],
    ["1d", `time: unknown unit "d" in duration "1d"`],
  ])("%j", (text, problem) => {
    expect(parseDuration(text)).toBeUndefined();
    expect(durationProblem(text)).toBe(problem);
  });
});

describe("references and sections", () => {
  const pipelines = (text: string) =>
    `receivers: { otlp: }\nexporters: { debug: }\nservice:\n  extensions: [healthcheck]\n  pipelines: ${text}`;

  test("a component that exists and is not configured", async () => {
    const text = await said(
      pipelines(
        "{ logs: { receivers: [otlp], processors: [batch/a], exporters: [debug, promethues] } }",
      ),
    );
    expect(text).toContain(`add "batch/a:" to processors`);
    expect(text).toContain(`add "prometheus:" to exporters; valid ids: debug`);
    expect(text).toContain(`add "health_check:" to extensions`);
  });

  test("a component of the Collector that is neither configured nor here", async () => {
    const text = await said(
      pipelines(
        "{ logs: { receivers: [k8s_events/a], processors: [k8sattributes], exporters: [debug] } }",
      ),
    );
    expect(text).toContain("k8s_events is a Collector component this version does not have");
    expect(text).toContain(
      "k8sattributes (now k8s_attributes) is a Collector component this version",
    );
    expect(text).not.toContain("add it to");
  });

  test("an id that is like a configured one", async () => {
    const text = await said(pipelines("{ logs: { receivers: [oltp], exporters: [debug] } }"));
    expect(text).toContain(`did you mean "otlp"? valid ids: otlp`);
  });

  test("a misspelt section has no follow-up mistakes", async () => {
    const text = await said(`reciever: { otlp: }\nexporters: { debug: }\nservices: { pipelines: }`);
    expect(text).toContain(`did you mean "receivers"?`);
    expect(text).toContain(`did you mean "service"?`);
    expect(problemsIn(text)).toHaveLength(2);
  });

  test("a signal that a component does not take, in the Collector's words", async () => {
    const text = await said(
      `receivers: { otlp: }\nexporters: { prometheus: }\nservice: { pipelines: { logs/a: { receivers: [otlp], exporters: [prometheus] } } }`,
    );
    expect(text).toMatch(
      /^failed to build pipelines: failed to create "prometheus" exporter for data type "logs": telemetry type is not supported\n {2}at config-0\.yaml:3:/u,
    );
    expect(text).toContain("prometheus takes metrics");
  });

  test("an empty file says where to begin", async () => {
    expect(await said("")).toContain("repomind-telemetry init writes one to begin with");
  });
});
