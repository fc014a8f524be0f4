import { describe, expect, test } from "@jest/globals";
import { CookieJar } from "../../../src/net/cookie-jar.ts";
import { proxyFor } from "../../../src/net/proxy.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const proxies = { HTTP_PROXY: "http://plain:1", HTTPS_PROXY: "http://secure:2" };

describe("proxyFor", () => {
  test.each([
    ["http://a.test/", proxies, "plain:1"],
    ["https://a.test/", proxies, "secure:2"],
    ["http://a.test/", { http_proxy: "lower:3" }, "lower:3"],
    ["http://a.test/", {}, undefined],
    ["http://localhost:4318/", proxies, undefined],
    ["http://127.8.8.8/", proxies, undefined],
    ["http://[::1]:1/", proxies, undefined],
  ])("%s with %j: %s", (url, environment, host) => {
    expect(proxyFor(new URL(url), "", environment)?.host).toBe(host);
  });

  test.each([
    ["*", "http://a.test/", true],
    ["a.test", "http://a.test/", true],
    ["a.test", "http://sub.a.test/", true],
    ["a.test", "http://ba.test/", false],
    [".a.test", "http://a.test/", false],
    [".a.test", "http://sub.a.test/", true],
    ["*.a.test", "http://sub.a.test/", true],
    [" x.test , A.TEST ", "http://a.test/", true],
    ["a.test:81", "http://a.test/", false],
    ["a.test:80", "http://a.test/", true],
    ["a.test:443", "https://a.test/", true],
    ["10.0.0.0/8", "http://10.1.2.3/", true],
    ["10.0.0.0/8", "http://11.1.2.3/", false],
    ["10.0.0.0/99", "http://10.1.2.3/", false],
    ["10.1.2.3", "http://10.1.2.3:4318/", true],
    ["10.1.2.3:4317", "http://10.1.2.3:4318/", false],
    ["10.1.2.3:4318", "http://10.1.2.3:4318/", true],
    ["2001:db8::/32", "http://[2001:db8::1]/", true],
    ["[2001:db8::1]", "http://[2001:db8::1]/", true],
    ["", "http://a.test/", false],
  ])("NO_PROXY %j and %s: direct %s", (list, url, direct) => {
    const found = proxyFor(new URL(url), "", { ...proxies, NO_PROXY: list });
    expect(found === undefined).toBe(direct);
  });

  test("proxy_url wins over the environment and NO_PROXY", () => {
    const environment = { ...proxies, NO_PROXY: "*" };
    expect(proxyFor(new URL("http://localhost/"), "http://own:9", environment)?.host).toBe("own:9");
  });

  test.each(["socks5://p:1", "http://"])(
    "an unusable proxy of the environment is an error: %s",
    (value) => {
      expect(() => proxyFor(new URL("http://a.test/"), "", { HTTP_PROXY: value })).toThrow(
        "cannot use HTTP_PROXY",
      );
    },
  );
});

describe("CookieJar", () => {
  const url = new URL("http://a.test/v1/logs");

  test("keeps path, domain, secure and expiry", async () => {
    const clock = new FakeClock();
    const jar = new CookieJar(clock);
    jar.store(url, [
      "root=1; Path=/",
      "dir=2",
      "deep=3; Path=/v1/logs/deep",
      "safe=4; Path=/; Secure",
      "brief=5; Path=/; Max-Age=10",
      "past=6; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
      "foreign=7; Domain=other.test",
      "wide=8; Domain=.test; Path=/",
      "=noname",
      `huge=${"x".repeat(5000)}`,
    ]);
    expect(jar.header(url)).toBe("root=1; dir=2; brief=5; wide=8");
    expect(jar.header(new URL("https://a.test/"))).toBe("root=1; safe=4; brief=5; wide=8");
    expect(jar.header(new URL("http://b.test/"))).toBe("wide=8");
    await clock.advance(10_000);
    expect(jar.header(url)).toBe("root=1; dir=2; wide=8");
    jar.store(url, ["root=; Path=/; Max-Age=0"]);
    expect(jar.header(url)).toBe("dir=2; wide=8");
  });

  test("keeps at most 64 cookies", () => {
    const jar = new CookieJar(new FakeClock());
    for (let i = 0; i < 100; i++) jar.store(url, [`c${i}=1; Path=/`]);
    expect(jar.header(url).split("; ")).toHaveLength(64);
    expect(jar.header(url)).toContain("c99=1");
  });
});
