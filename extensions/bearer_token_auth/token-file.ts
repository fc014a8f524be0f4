/** A file with a token a line. */
import type { Settings } from "../../src/component.ts";
import { TelemetryError } from "../../src/errors.ts";
import { WatchedFile } from "../../src/net/watched-file.ts";

/** Reading it throws CONFIG_INVALID when there is no token in it. */
export function tokenFile(
  path: string,
  settings: Pick<Settings, "clock" | "log">,
  onTokens: (tokens: readonly string[]) => void,
): WatchedFile {
  const take = (text: string) => {
    const lines = text.split("\n").map((line) => line.trim());
    const tokens = lines.filter((line) => line !== "");
    if (tokens.length === 0) {
      const message = `cannot read token file ${path}: there is no token in it`;
      throw new TelemetryError("CONFIG_INVALID", message);
    }
    onTokens(tokens);
  };
  return new WatchedFile({ path, file: "token file", content: "bearer tokens", take }, settings);
}
