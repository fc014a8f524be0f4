/** A file with a token a line; behind white space a line is a comment, as upstream's. */
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
    const words = text.split("\n").map((line) => line.trim().split(/\s/u, 1)[0]!);
    const tokens = words.filter((word) => word !== "");
    if (tokens.length === 0) {
      const message = `cannot read token file ${path}: there is no token in it`;
      throw new TelemetryError("CONFIG_INVALID", message);
    }
    onTokens(tokens);
  };
  return new WatchedFile({ path, file: "token file", content: "bearer tokens", take }, settings);
}
