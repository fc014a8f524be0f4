import { expect, test } from "@jest/globals";
import { serverAuthenticate } from "../../../src/net/server-auth.ts";

const auth = { authenticator: "basic_auth/a" };

test("without auth nothing is checked", () => {
  expect(serverAuthenticate(undefined, { use: () => undefined })).toBeUndefined();
});

test("with auth the named extension decides", async () => {
  const asked: unknown[] = [];
  const use = (id: string) => ({
    authenticate: async (metadata: unknown) => void asked.push(id, metadata),
  });
  const metadata = new Map([["authorization", ["Basic x"]]]);
  await serverAuthenticate(auth, { use })?.(metadata);
  expect(asked).toEqual(["basic_auth/a", metadata]);
});

test("two servers with one authenticator have one check, so that they may share a listener", () => {
  const offered = { authenticate: async () => {} };
  const check = () => serverAuthenticate(auth, { use: () => offered });
  expect(check()).toBe(check());
});

test.each([
  [undefined, 'failed to resolve authenticator "basic_auth/a": authenticator not found'],
  [{ requestMetadata() {} }, 'extension "basic_auth/a" is not a server authenticator'],
  ["text", 'extension "basic_auth/a" is not a server authenticator'],
])("an extension that offers %j leaves no server open", (offered, message) => {
  expect(() => serverAuthenticate(auth, { use: () => offered })).toThrow(message);
});
