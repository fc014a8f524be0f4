import { expect, test } from "@jest/globals";
import { destinationsOf, type PlanNode, planGraph } from "../../../src/engine/plan.ts";
import { World } from "./recording-world.ts";

async function plan(yaml: string): Promise<readonly PlanNode[]> {
  const config = await new World().resolve(yaml);
  return planGraph(config).nodes;
}

const keysOf = (nodes: readonly PlanNode[]) => nodes.map(({ key }) => key);
const leadsTo = (nodes: readonly PlanNode[], key: string) =>
  destinationsOf(nodes.find((node) => node.key === key)!).map(({ node }) => node);

test("receivers and exporters once per id, processors once per pipeline", async () => {
  const nodes = await plan(`
receivers: { in/a: , in/b: }
processors: { pure: }
exporters: { direct: }
service:
  pipelines:
    logs: { receivers: [in/a, in/b], processors: [pure], exporters: [direct] }
    logs/2: { receivers: [in/a], processors: [pure], exporters: [direct] }
    traces: { receivers: [in/a], exporters: [direct] }
`);
  expect(keysOf(nodes).toSorted()).toEqual([
    "exporter:direct",
    "processor:logs/2:pure",
    "processor:logs:pure",
    "receiver:in/a",
    "receiver:in/b",
  ]);
  const receiver = nodes.find(({ key }) => key === "receiver:in/a")!;
  expect(receiver).toMatchObject({
    ports: new Map([
      [
        "logs",
        [
          { node: "processor:logs:pure", to: "pure", pipeline: "logs", signal: "logs" },
          { node: "processor:logs/2:pure", to: "pure", pipeline: "logs/2", signal: "logs" },
        ],
      ],
      ["traces", [{ node: "exporter:direct", to: "direct", pipeline: "traces", signal: "traces" }]],
    ]),
  });
  expect(nodes.at(-1)).toMatchObject({ key: "exporter:direct", signals: ["logs", "traces"] });
});

test("processors follow one another in the order of the pipeline", async () => {
  const nodes = await plan(`
receivers: { in: }
processors: { pure/1: , pure/2: , pure/3: }
exporters: { direct/a: , direct/b: }
service:
  pipelines:
    logs: { receivers: [in], processors: [pure/3, pure/1, pure/2], exporters: [direct/b, direct/a] }
`);
  expect(leadsTo(nodes, "receiver:in")).toEqual(["processor:logs:pure/3"]);
  expect(leadsTo(nodes, "processor:logs:pure/3")).toEqual(["processor:logs:pure/1"]);
  expect(leadsTo(nodes, "processor:logs:pure/1")).toEqual(["processor:logs:pure/2"]);
  expect(leadsTo(nodes, "processor:logs:pure/2")).toEqual([
    "exporter:direct/b",
    "exporter:direct/a",
  ]);
});

test("a connector is an exporter of one pipeline and a receiver of another: once for each pair of signals", async () => {
  const nodes = await plan(`
receivers: { in: }
processors: { pure: }
exporters: { direct: }
connectors: { fwd: }
service:
  pipelines:
    traces: { receivers: [in], exporters: [fwd, direct] }
    logs/in: { receivers: [in], exporters: [fwd] }
    logs/out: { receivers: [fwd], processors: [pure], exporters: [direct] }
    metrics: { receivers: [fwd], exporters: [direct] }
    metrics/2: { receivers: [fwd], exporters: [direct] }
`);
  const connectors = nodes.filter(({ kind }) => kind === "connector");
  expect(keysOf(connectors).toSorted()).toEqual([
    "connector:fwd:logs:logs",
    "connector:fwd:logs:metrics",
    "connector:fwd:traces:logs",
    "connector:fwd:traces:metrics",
  ]);
  expect(destinationsOf(nodes.find(({ key }) => key === "receiver:in")!)).toHaveLength(5);
  expect(leadsTo(nodes, "connector:fwd:traces:logs")).toEqual(["processor:logs/out:pure"]);
  expect(connectors[0]).toMatchObject({ component: { id: { text: "fwd" } } });
  const toMetrics = nodes.find(({ key }) => key === "connector:fwd:traces:metrics")!;
  expect(toMetrics.kind === "connector" && [...toMetrics.ports.keys()]).toEqual([
    "metrics",
    "metrics/2",
  ]);
});

test("senders stand before those they lead to; all receivers first, all exporters last", async () => {
  const nodes = await plan(`
receivers: { in/a: , in/b: , in/c: }
processors: { pure: , pass: }
exporters: { direct/a: , direct/b: , direct/c: }
connectors: { fwd/x: , fwd/y: }
service:
  pipelines:
    logs/c: { receivers: [fwd/y, in/c], processors: [pure], exporters: [direct/c] }
    logs/b: { receivers: [fwd/x, in/b], processors: [pass], exporters: [fwd/y, direct/b] }
    logs/a: { receivers: [in/a], processors: [pure, pass], exporters: [direct/a, fwd/x] }
`);
  const place = new Map(nodes.map(({ key }, i) => [key, i]));
  for (const node of nodes) {
    for (const { node: to } of destinationsOf(node))
      expect(place.get(to)).toBeGreaterThan(place.get(node.key)!);
  }
  const kinds = nodes.map(({ kind }) => kind);
  expect(kinds.slice(0, 3)).toEqual(["receiver", "receiver", "receiver"]);
  expect(kinds.slice(-3)).toEqual(["exporter", "exporter", "exporter"]);
});

test("what is configured and not used is not built", async () => {
  const nodes = await plan(`
receivers: { in: , in/unused: }
processors: { pure: }
exporters: { direct: , direct/unused: }
connectors: { fwd: }
service: { pipelines: { logs: { receivers: [in], exporters: [direct] } } }
`);
  expect(keysOf(nodes)).toEqual(["receiver:in", "exporter:direct"]);
});

test.each([
  [
    "a connector only on one side",
    "logs: { receivers: [in], exporters: [fwd] }",
    'connector "fwd" used as exporter in [logs] pipeline but not used in any supported receiver pipeline',
  ],
  [
    "a cycle",
    "logs: { receivers: [in, fwd], exporters: [fwd] }",
    'cycle detected: connector "fwd" (logs to logs) -> connector "fwd" (logs to logs)',
  ],
  ["no exporter", "logs: { receivers: [in], exporters: [] }", "must have at least one exporter"],
  [
    "no receiver",
    "logs: { receivers: [], exporters: [direct] }",
    "must have at least one receiver",
  ],
  [
    "the same processor twice",
    "logs: { receivers: [in], processors: [pure, pure], exporters: [direct] }",
    'references processor "pure" multiple times',
  ],
])("%s is refused before anything is built", async (_name, pipelines, text) => {
  await expect(
    plan(`
receivers: { in: }
processors: { pure: }
exporters: { direct: }
connectors: { fwd: }
service: { pipelines: { ${pipelines} } }
`),
  ).rejects.toThrow(text);
});

test("fingerprints: what makes an instance another one", async () => {
  const fingerprints = async (receiver: string, pipelines: string) => {
    const nodes = await plan(`
receivers: { in: { v: ${receiver} } }
exporters: { direct: }
service: { pipelines: { logs: { receivers: [in], exporters: [direct] }, ${pipelines} } }
`);
    return new Map(nodes.map(({ key, fingerprint }) => [key, fingerprint]));
  };
  const before = await fingerprints("1", "");
  const same = await fingerprints("1", "logs/2: { receivers: [in], exporters: [direct] }");
  const otherConfig = await fingerprints("2", "");
  const otherSignals = await fingerprints("1", "traces: { receivers: [in], exporters: [direct] }");
  expect(same.get("receiver:in")).toBe(before.get("receiver:in"));
  expect(otherConfig.get("receiver:in")).not.toBe(before.get("receiver:in"));
  // Its server offers other services then.
  expect(otherSignals.get("receiver:in")).not.toBe(before.get("receiver:in"));
  // An exporter only gets one more sink.
  expect(otherSignals.get("exporter:direct")).toBe(before.get("exporter:direct"));
});
