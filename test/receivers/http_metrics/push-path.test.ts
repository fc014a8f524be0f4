import { expect, test } from "@jest/globals";
import { parsePushPath } from "../../../receivers/http_metrics/push-path.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64url");

test.each<[string, Record<string, string>]>([
  ["/metrics/job/a", { job: "a" }],
  ["/metrics/job/a/", { job: "a" }],
  ["/metrics/job/a/instance/b:9100/zone/eu", { job: "a", instance: "b:9100", zone: "eu" }],
  [
    `/metrics/job@base64/${base64("a/b")}/path@base64/${base64("/var/tmp")}`,
    { job: "a/b", path: "/var/tmp" },
  ],
  ["/metrics/job@base64/YQ==/x@base64/=", { job: "a", x: "" }],
  ["/metrics/job/a/x/", { job: "a", x: "" }],
  ["/metrics/job/a/job/b", { job: "a" }],
  ["/metrics/job/ü/x/日本", { job: "ü", x: "日本" }],
])("%s", (path, labels) => {
  const parsed = parsePushPath(path);
  expect(typeof parsed === "string" ? parsed : Object.fromEntries(parsed.labels)).toEqual(labels);
});

test("the order of labels makes no other group, their borders do", () => {
  const keyOf = (path: string) => {
    const parsed = parsePushPath(path);
    return typeof parsed === "string" ? parsed : parsed.key;
  };
  expect(keyOf("/metrics/job/j/a/1/b/2")).toBe(keyOf("/metrics/job/j/b/2/a/1"));
  expect(keyOf("/metrics/job/j/a/1")).not.toBe(keyOf("/metrics/job/j/a/2"));
  expect(keyOf("/metrics/job/j/a/1")).not.toBe(keyOf("/metrics/job/j"));
  expect(keyOf("/metrics/job/j/a@base64/=")).toBe(keyOf("/metrics/job/j"));
});

test.each([
  ["/metrics/job/", "job name is required"],
  ["/metrics/job@base64/=", "job name is required"],
  ["/metrics/job/a/b", 'odd number of components in label string "/b"'],
  ["/metrics/job/a/b/c/", 'odd number of components in label string "/b/c/"'],
  ["/metrics/job/a/b-c/d", 'improper label name "b-c"'],
  ["/metrics/job/a/__name__/d", 'improper label name "__name__"'],
  ["/metrics/job/a//d", 'improper label name ""'],
  ["/metrics/job@base64/%%%", "invalid base64 encoding for job name"],
  ["/metrics/job/a/x@base64/a", 'invalid base64 encoding for label x="a"'],
  [
    `/metrics/job/a/x@base64/${Buffer.of(0xff).toString("base64url")}`,
    'invalid base64 encoding for label x="_w"',
  ],
  [`/metrics/job/a${"/x/y".repeat(64)}`, "more than 64 labels"],
])("%s: %s", (path, message) => {
  expect(parsePushPath(path)).toBe(message);
});
