import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { config } from "../../../processors/relabel/config.ts";
import { Relabeler } from "../../../processors/relabel/relabeler.ts";
import { errorText, load, plain } from "../../src/config/support.ts";
import { gauge, metricsOf, metricsPayload, pointsOf } from "../../support/metrics-json.ts";
import { testSettings } from "../../support/settings.ts";

test("the example does what the README says", () => {
  const readme = readFileSync(join(__dirname, "../../../processors/relabel/README.md"), "utf8");
  const loaded = load(/```yaml\n(.*?)```/su.exec(readme)![1]!);
  expect(errorText(loaded)).toBe("");
  const { processors } = plain(loaded) as { processors: { relabel: unknown } };
  const relabeler = new Relabeler(config.parse(processors.relabel).relabel_configs, testSettings());
  const route = { "http.route": "/api/v2/cart", "http.response.status_code": 200 };
  const resource = { "service.name": "cart", "k8s.pod.label.team": "shop" };
  const payload = metricsPayload(
    metricsOf(
      resource,
      gauge("http.server.duration", route),
      gauge("go.memory.used", {}),
      gauge("legacy_logins", {}),
    ),
  );
  expect(pointsOf(relabeler.relabel(payload))).toEqual([
    {
      metric: "http.server.duration",
      point: "http.route=/api/v2/cart,http.response.status_code=200,api.version=v2,team=shop",
      resource: "service.name=cart",
    },
    { metric: "logins.count", point: "team=shop", resource: "service.name=cart" },
  ]);
});
