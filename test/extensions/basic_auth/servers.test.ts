/** Both auth extensions between our exporters and our otlp receiver, on real sockets. */
import { afterEach, describe, expect, test } from "@jest/globals";
import { factory as otlpGrpc } from "../../../exporters/otlp_grpc/factory.ts";
import { factory as otlpHttp } from "../../../exporters/otlp_http/factory.ts";
import { factory as basicAuth } from "../../../extensions/basic_auth/factory.ts";
import { factory as bearerAuth } from "../../../extensions/bearer_token_auth/factory.ts";
import type { Exporter } from "../../../src/component.ts";
import { gauge, metricsOf, metricsPayload } from "../../support/metrics-json.ts";
import { startOtlpReceiver, type TestReceiver } from "../../support/otlp-receiver.ts";
import { testSettings } from "../../support/settings.ts";

type Keys = Record<string, unknown>;

const basic = (keys: Keys) =>
  basicAuth.create({ config: basicAuth.config.parse(keys), settings: testSettings() }).offers;
const bearer = (keys: Keys) =>
  bearerAuth.create({ config: bearerAuth.config.parse(keys), settings: testSettings() }).offers;

const payload = metricsPayload(metricsOf({ "service.name": "a" }, gauge("g", { k: "v" })));
const never = new AbortController().signal;
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function receiverWith(protocol: "grpc" | "http", offers: unknown): Promise<TestReceiver> {
  const auth = { auth: { authenticator: "server" } };
  const receiver = await startOtlpReceiver(protocol, auth, { use: () => offers });
  closers.push(() => receiver.close());
  return receiver;
}

async function exporterTo(
  protocol: "grpc" | "http",
  address: string,
  offers: unknown,
): Promise<Exporter> {
  const settings = { ...testSettings(), use: () => offers };
  const auth = offers === undefined ? {} : { auth: { authenticator: "client" } };
  const exporter =
    protocol === "grpc"
      ? otlpGrpc.create({
          config: otlpGrpc.config.parse({ endpoint: address, tls: { insecure: true }, ...auth }),
          settings,
          signals: ["metrics"],
        })
      : otlpHttp.create({
          config: otlpHttp.config.parse({ endpoint: `http://${address}`, ...auth }),
          settings,
          signals: ["metrics"],
        });
  await exporter.start?.();
  closers.push(async () => exporter.shutdown?.(AbortSignal.abort()));
  return exporter;
}

const push = (exporter: Exporter) => exporter.push(payload, { receivedMs: 0 }, never);

describe.each(["grpc", "http"] as const)("otlp over %s", (protocol) => {
  test.each([
    [
      "basic_auth",
      basic({ htpasswd: { inline: "me:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=" } }),
      basic({ client_auth: { username: "me", password: "secret" } }),
      basic({ client_auth: { username: "me", password: "wrong" } }),
    ],
    [
      "bearer_token_auth",
      bearer({ tokens: ["old", "new"], header: "X-Token", scheme: "" }),
      bearer({ token: "new", header: "x-token", scheme: "" }),
      bearer({ token: "new" }),
    ],
  ])("%s lets in who knows the secret, nobody else", async (_, server, known, unknown) => {
    const receiver = await receiverWith(protocol, server);
    await push(await exporterTo(protocol, receiver.address, known));
    expect(receiver.arrivals).toHaveLength(1);
    for (const offers of [unknown, undefined]) {
      const exporter = await exporterTo(protocol, receiver.address, offers);
      const refusal = await push(exporter).catch((error: unknown) => error);
      expect(refusal).toMatchObject({ status: { code: 16 }, retryable: false });
    }
    expect(receiver.arrivals).toHaveLength(1);
  });
});
