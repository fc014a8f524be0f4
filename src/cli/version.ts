import { readFileSync } from "node:fs";

/** package.json stands one level above src/ in the sources and two above dist/src/. */
function readVersion(): string {
  for (const path of ["../../package.json", "../../../package.json"]) {
    try {
      return (
        JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")) as { version: string }
      ).version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  throw new Error("BUG: package.json not found");
}

export const version = readVersion();
