/** `demo` at the command line: its help, its mistakes, and `demo set`. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import { cli, folderWith } from "./support.ts";

test.each([[["demo", "--help"]], [["demo", "-h"]], [["demo", "set", "--help"]]])(
  "%j prints its help",
  async (args) => {
    const { code, stdout, stderr } = await cli(args);
    expect([code, stderr]).toEqual([0, ""]);
    for (const flag of ["rps", "seed", "duration", "latency", "errors", "cache-collapse"])
      expect(stdout).toContain(`--${flag}`);
    for (const flag of ["queue-stall", "llm-outage", "port", "endpoint", "scrape", "config", "set"])
      expect(stdout).toContain(`--${flag}`);
    expect(stdout).toContain("demo set KNOB=VALUE");
  },
);

test.each([
  [["--rsp", "3"], "unknown flag --rsp; did you mean --rps?"],
  [["--rps", "many"], `--rps takes a number from 0 to 1000, not "many"`],
  [["--latency", "y"], `--latency takes a factor from x0.01 to x100, not "y"`],
  [["--errors=2"], `--errors takes a share from 0 to 1, not "2"`],
  [["--errors"], "'--errors <value>' argument missing"],
  [["--duration", "soon"], `--duration takes a time such as 15 or 2m, not "soon"`],
  [["--duration", "0"], `--duration takes a time such as 15 or 2m, not "0"`],
  [["--port", "70000"], `--port takes a whole number up to 65535, not "70000"`],
  [["--seed", "-1"], `--seed takes a whole number`],
  [["--endpoint", "localhost:4318"], `--endpoint takes a URL such as http://127.0.0.1:4318`],
  [["errors=0.2"], `demo does not know "errors=0.2"; did you mean demo set errors=0.2?`],
  [["stop"], `demo does not know "stop"; did you mean demo set KNOB=VALUE?`],
  [["set", "erors=1"], `there is no knob "erors"; did you mean errors?`],
  [["set", "errors"], "errors needs a value, such as errors=0.2"],
  [["set", "--rps", "3"], "unknown flag --rps"],
])("demo %j is a mistake that says what to do", async (args, text) => {
  const { code, stdout, stderr } = await cli(["demo", ...args], { cwd: folderWith() });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain(text);
  expect(stderr).toMatch(/See repomind-telemetry demo --help\.\n$/u);
});

describe("demo set", () => {
  let server: Server | undefined;
  const seen: unknown[] = [];
  afterEach(() => {
    server?.close();
    server = undefined;
    seen.length = 0;
  });
  const answering = async (status: number, body: unknown): Promise<string> => {
    server = createServer((request, response) => {
      let text = "";
      request.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      request.on("end", () => {
        seen.push([request.method, request.url, text]);
        response.writeHead(status).end(JSON.stringify(body));
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return String((server.address() as AddressInfo).port);
  };
  const shown = { rps: 30, latency: 3, "llm-outage": true };

  test("sends all that is set at once, and prints what is set then", async () => {
    const port = await answering(200, shown);
    const args = ["demo", "set", "latency=x3", "llm-outage", "--port", port];
    const { code, stdout } = await cli(args);
    expect([code, stdout]).toEqual([0, "rps=30 latency=x3 llm-outage=on\n"]);
    expect(seen).toEqual([["POST", "/_demo", `{"latency":"x3","llm-outage":"on"}`]]);
  });

  test("without an assignment it only asks", async () => {
    const port = await answering(200, shown);
    const { stdout } = await cli(["demo", "set", "--port", port]);
    expect(stdout).toBe("rps=30 latency=x3 llm-outage=on\n");
    expect(seen).toEqual([["GET", "/_demo", ""]]);
  });

  test("a refusal is told as it is", async () => {
    const port = await answering(400, { error: "no" });
    const { code, stderr } = await cli(["demo", "set", "rps=1", "--port", port]);
    expect(code).toBe(1);
    expect(stderr).toBe(`Error: http://127.0.0.1:${port}/_demo answered 400: {"error":"no"}\n`);
  });

  test("where nothing runs it says how to start one", async () => {
    const port = await answering(200, {});
    server!.close();
    await once(server!, "close");
    const { code, stderr } = await cli(["demo", "set", "rps=1", "--port", port]);
    expect(code).toBe(1);
    expect(stderr).toContain(`no demo answers at http://127.0.0.1:${port}/_demo: start one with`);
  });
});
