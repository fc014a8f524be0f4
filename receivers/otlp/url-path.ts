/** The path of a URL reference as Go's net/url reads it, whose texts the Collector prints. */

interface UrlPath {
  /** Decoded, with a leading slash. */
  readonly path: string;
  readonly problem?: string;
}

export function urlPathOf(text: string): UrlPath {
  const reference = text.split("#", 1)[0]!;
  const problem = problemOf(reference);
  if (problem !== undefined) {
    return { path: "/", problem: `parse ${JSON.stringify(text)}: ${problem}` };
  }
  const afterScheme = reference.replace(/^[a-z][a-z\d+.-]*:/iu, "");
  const afterHost = afterScheme.replace(/^\/\/[^/?]*/u, "");
  const path = decodePath(afterHost.split("?", 1)[0]!);
  return { path: path.startsWith("/") ? path : `/${path}` };
}

function problemOf(reference: string): string | undefined {
  // oxlint-disable-next-line no-control-regex -- These are what is looked for.
  if (/[\u0000-\u001f\u007f]/u.test(reference)) return "net/url: invalid control character in URL";
  if (reference.startsWith(":")) return "missing protocol scheme";
  const path = reference.split("?", 1)[0]!;
  const hasScheme = /^[a-z][a-z\d+.-]*:/iu.test(path);
  if (!hasScheme && path.split("/", 1)[0]!.includes(":"))
    return "first path segment in URL cannot contain colon";
  const escape = /%(?![\da-f]{2}).{0,2}/iu.exec(path)?.[0];
  return escape === undefined ? undefined : `invalid URL escape ${JSON.stringify(escape)}`;
}

/** Byte by byte, as Go does: an escape need not be UTF-8. */
function decodePath(path: string): string {
  return path.replace(/(?:%[\da-f]{2})+/giu, (escapes) =>
    Buffer.from(escapes.replaceAll("%", ""), "hex").toString("utf8"),
  );
}
