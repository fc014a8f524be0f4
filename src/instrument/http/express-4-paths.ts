/**
 * Express 4 keeps of the path of a mount only the expression that path-to-regexp 0.1 made of it. Read back:
 *
 *     "^" path "\/?(?=\/|$)"             of one path; of several, joined by "|"
 *     path  = ( character | "\" character | "(.*)" of a "*" | group of a parameter )*
 *     group = "(?:" ["\/" | "\."] "(" what it matches ")" [ "((?:[/].+?)?)" of a "*" ] ")" [ "?" ]
 */
const tail = String.raw`\/?(?=\/|$)`;

interface Key {
  readonly name: string | number;
}

/** One for each path; the flags g and y, which keep state, are left out. */
export function expressions({ source, ignoreCase }: RegExp): RegExp[] {
  return source.split(/\|(?=\^)/u).map((one) => new RegExp(one, ignoreCase ? "i" : ""));
}

/** The paths as they were declared; undefined: the expression is the application's own. */
export function declaredPaths(regexp: RegExp, keys: readonly Key[]): string[] | undefined {
  const names = keys.map(({ name }) => name)[Symbol.iterator]();
  const paths: string[] = [];
  for (const { source } of expressions(regexp)) {
    if (!source.startsWith("^") || !source.endsWith(tail)) return undefined;
    const path = declaredPath(source.slice(1, -tail.length), names);
    if (path === undefined) return undefined;
    paths.push(path);
  }
  return paths;
}

function declaredPath(source: string, names: Iterator<string | number>): string | undefined {
  let path = "";
  let at = 0;
  while (at < source.length) {
    const token = tokenAt(source, at);
    const text = textOf(token, names);
    if (text === undefined) return undefined;
    path += text;
    at += token.length;
  }
  return path;
}

/** A group with the "?" behind it, an escaped character, or a character. */
function tokenAt(source: string, at: number): string {
  if (source[at] === "\\") return source.slice(at, at + 2);
  if (source[at] !== "(") return source[at]!;
  const end = groupEnd(source, at);
  return source.slice(at, source[end] === "?" ? end + 1 : end);
}

/** Behind the parenthesis that closes the one at a position. */
function groupEnd(source: string, from: number): number {
  let depth = 0;
  let isInClass = false;
  for (let at = from; at < source.length; at++) {
    const character = source[at];
    if (character === "\\") at++;
    else if (isInClass) isInClass = character !== "]";
    else if (character === "[") isInClass = true;
    else if (character === "(") depth++;
    else if (character === ")" && --depth === 0) return at + 1;
  }
  return source.length;
}

function textOf(token: string, names: Iterator<string | number>): string | undefined {
  if (token === "(.*)") {
    names.next();
    return "*";
  }
  if (token.startsWith("(")) return parameter(token, names);
  if (token.length === 1) return "[]^$|+?*{}".includes(token) ? undefined : token;
  return token[1];
}

function parameter(token: string, names: Iterator<string | number>): string | undefined {
  const [, slash, dot, rest] = /^\(\?:(\\\/)?(\\\.)?(\(.*)\)\??$/su.exec(token) ?? [];
  const { value: name } = names.next();
  if (rest === undefined || typeof name !== "string") return undefined;
  const end = groupEnd(rest, 0);
  const matches = rest.slice(1, end - 1);
  const isStarred = end < rest.length;
  if (isStarred) names.next();
  const isAny = /^\[\^\\?\//u.test(matches) || matches.startsWith("(?:(?!");
  const condition = isAny ? "" : `(${matches.replaceAll("\\/", "/")})`;
  const suffix = `${isStarred ? "*" : ""}${token.endsWith("?") ? "?" : ""}`;
  return `${slash === undefined ? "" : "/"}${dot === undefined ? "" : "."}:${name}${condition}${suffix}`;
}
