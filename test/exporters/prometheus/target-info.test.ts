/** target_info: one series a job and instance, with the other attributes of their resource. */
import { describe, expect, test } from "@jest/globals";
import { accept, exporterStarter, gauge, lines, type Running, request, value } from "./support.ts";

const start = exporterStarter();

const from = (resource: Record<string, string>) => request([gauge("g", [value(1)])], { resource });
const infos = async (r: Running) =>
  (await lines(r)).filter((line) => line.startsWith("target_info"));
const service = { "service.name": "s", "service.instance.id": "i" };

describe("which resources have one", () => {
  test.each<[string, Record<string, string>, string[]]>([
    ["nothing but the service", service, []],
    ["more than that", { ...service, "a.b": "1" }, ['target_info{a_b="1",instance="i",job="s"} 1']],
    ["a name alone", { "service.name": "s", x: "1" }, ['target_info{job="s",x="1"} 1']],
    ["an id alone", { "service.instance.id": "i", x: "1" }, ['target_info{instance="i",x="1"} 1']],
    ["no service", { x: "1" }, []],
    ["a key that is no label", { ...service, "+": "1", x: "1" }, []],
    ["an attribute called job", { ...service, job: "x" }, ['target_info{instance="i",job="s"} 1']],
    [
      "keys that meet",
      { ...service, "a.b": "1", a_b: "2" },
      ['target_info{a_b="1;2",instance="i",job="s"} 1'],
    ],
  ])("%s", async (_, resource, expected) => {
    const r = await start();
    await r.push(from(resource));
    expect(await infos(r)).toEqual(expected);
  });
});

test("has its own header in both formats", async () => {
  const r = await start({ enable_open_metrics: true });
  await r.push(from({ "service.name": "s", x: "1" }));
  expect((await r.scrape()).text).toContain(
    '# HELP target_info Target metadata\n# TYPE target_info gauge\ntarget_info{job="s",x="1"} 1\n',
  );
  expect((await r.scrape(accept.openMetrics)).text).toContain(
    '# HELP target Target metadata\n# TYPE target info\ntarget_info{job="s",x="1"} 1.0\n',
  );
});

test("const_labels and the scope do not stand on it", async () => {
  const r = await start({ const_labels: { region: "eu" } });
  await r.push(
    request([gauge("g", [value(1)])], { resource: { ...service, x: "1" }, scope: { name: "l" } }),
  );
  expect(await infos(r)).toEqual(['target_info{instance="i",job="s",x="1"} 1']);
});

test("the resource seen last is shown, the older one does not come back", async () => {
  const r = await start();
  await r.push(from({ ...service, v: "1" }));
  await r.push(from({ ...service, v: "2" }));
  expect(await infos(r)).toEqual(['target_info{instance="i",job="s",v="2"} 1']);
  await r.push(from({ ...service, v: "1" }));
  expect(await infos(r)).toEqual(['target_info{instance="i",job="s",v="2"} 1']);
});

test("lives as long as points of its resource come", async () => {
  const r = await start({ metric_expiration: "1m" });
  await r.push(from({ ...service, v: "1" }));
  for (let i = 0; i < 3; i++) {
    await r.clock.advance(40_000);
    await r.push(from({ ...service, v: "1" }));
    expect(await infos(r)).toHaveLength(1);
  }
  await r.clock.advance(130_000);
  expect(await infos(r)).toEqual([]);
  expect(r.settings.meter.value("rmt_prometheus_exporter_series")).toBe(0);
  await r.push(from({ ...service, v: "1" }));
  expect(await infos(r)).toHaveLength(1);
});

test("a metric of its name that came first keeps the name", async () => {
  const r = await start();
  await r.push(request([gauge("target_info", [value(7)])]));
  await r.push(from({ ...service, v: "1" }));
  expect(await infos(r)).toEqual(["target_info 7"]);
});
