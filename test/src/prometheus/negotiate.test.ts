/** What prometheus/common answers (expfmt.NegotiateAccept) to the same headers. */
import { expect, test } from "@jest/globals";
import { contentTypeOf, negotiate } from "../../../src/prometheus/negotiate.ts";

const protobuf =
  "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

test.each([
  ["only a format that is not served", `${protobuf};escaping=allow-utf-8`, "allow-utf-8"],
  [
    "one before a clause that names none",
    `${protobuf};escaping=dots,text/plain;version=0.0.4;q=0.5`,
    "dots",
  ],
  [
    "two: the served clause's own",
    `${protobuf};escaping=dots,text/plain;escaping=values`,
    "values",
  ],
  ["one behind the served clause", "text/plain,text/html;escaping=dots;q=0.5", "underscores"],
])("the scheme is the last that was named on the way: %s", (_, accept, scheme) => {
  const format = negotiate(accept, { openMetrics: false });
  expect(contentTypeOf(format)).toBe(
    `text/plain; version=0.0.4; charset=utf-8; escaping=${scheme}`,
  );
});
