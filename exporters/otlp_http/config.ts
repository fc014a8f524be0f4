import { accepted, section, z } from "../../src/config/fields.ts";
import { deliveryKeys } from "../../src/config/fragments/delivery.ts";
import { httpClientKeys, httpClientProblem } from "../../src/config/fragments/http-client.ts";

const urlKeys = [
  "endpoint",
  "traces_endpoint",
  "metrics_endpoint",
  "logs_endpoint",
  "profiles_endpoint",
] as const;

const keys = section({
  endpoint: z
    .string()
    .default("")
    .describe("Base URL of the backend; `/v1/traces`, `/v1/metrics` and `/v1/logs` are appended."),
  traces_endpoint: z.string().default("").describe("URL for traces, used as it is."),
  metrics_endpoint: z.string().default("").describe("URL for metrics, used as it is."),
  logs_endpoint: z.string().default("").describe("URL for logs, used as it is."),
  profiles_endpoint: accepted(z.string(), "the profiles signal does not exist in this version"),
  encoding: z
    .enum(["proto", "json"], { error: (issue) => `invalid encoding type: ${String(issue.input)}` })
    .default("proto")
    .describe("Encoding of requests: proto or json."),
  ...httpClientKeys,
  ...deliveryKeys("30s"),
});

type Keys = z.output<typeof keys>;

/** The keys of the Collector's otlp_http exporter. */
export const config = keys.superRefine((value, context) => {
  for (const problem of problems(value)) context.addIssue({ code: "custom", ...problem });
});

export type OtlpHttpConfig = z.output<typeof config>;

function problems(value: Keys): { path: string[]; message: string }[] {
  const found: { path: string[]; message: string }[] = [];
  if (urlKeys.every((key) => !value[key])) {
    found.push({ path: [], message: "at least one endpoint must be specified" });
  }
  for (const key of urlKeys) {
    const text = value[key];
    if (text && !isHttpUrl(text))
      found.push({ path: [key], message: `${key} must be a valid URL` });
  }
  if (value.timeout < 0) {
    found.push({ path: ["timeout"], message: "'timeout' must be non-negative" });
  }
  const client = httpClientProblem(value);
  return client === undefined ? found : [...found, client];
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/u.test(new URL(text).protocol);
}
