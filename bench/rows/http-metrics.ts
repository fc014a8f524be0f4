/** The custom metrics API over HTTP: JSON bodies of 100 points. No peer has it. */
import type { LoadOptions } from "../load.ts";
import { cpuPerItem, type Row, value } from "../row.ts";
import { measureLoad } from "../run-load.ts";
import { freePort } from "../system.ts";
import { loadOptions, quiet } from "./otlp.ts";

const yaml = (port: number) => `receivers: { http_metrics: { endpoint: "127.0.0.1:${port}" } }
exporters: { nop: }
service:
${quiet}
  pipelines: { metrics: { receivers: [http_metrics], exporters: [nop] } }
`;

export const httpMetricsRows: readonly Row[] = [
  {
    name: "custom HTTP API, 100 points a request",
    against: "none",
    // 250,000 points a second of one core.
    measures: [cpuPerItem("point", value(4))],
    async run(kind) {
      const work = { shape: "repeat", size: 100, requests: 20_000 } as const;
      const port = await freePort();
      const options: LoadOptions = {
        ...(await loadOptions(work, false)),
        protocol: "custom",
        target: port,
      };
      return measureLoad(kind, yaml(port), options, work.requests);
    },
  },
];
