/**
 * Replacement templates as Go's regexp.Expand reads them: `$1`, `${1}`, `$name`, `${name}`, `$$`. A name is as
 * long as letters, digits and underscores go (`$1x` is the group named 1x); what is no reference stays as it
 * is, a group that does not exist or did not match is empty.
 */

/** Texts and numbers of groups. */
export type Template = readonly (string | number)[];

const reference = /^(?:\{([\p{L}\p{Nd}_]+)\}|([\p{L}\p{Nd}_]+))/u;
const number = /^(?:0|[1-9]\d{0,8})$/u;

/** `groupNames` by number of the group; "" for one without a name. */
export function compileTemplate(text: string, groupNames: readonly string[]): Template {
  const parts: (string | number)[] = [];
  let plain = "";
  let rest = text;
  for (;;) {
    const at = rest.indexOf("$");
    if (at < 0) break;
    plain += rest.slice(0, at);
    rest = rest.slice(at + 1);
    if (rest.startsWith("$")) {
      plain += "$";
      rest = rest.slice(1);
      continue;
    }
    const found = reference.exec(rest);
    if (found === null) {
      plain += "$";
      continue;
    }
    const group = groupNumber((found[1] ?? found[2])!, groupNames);
    if (group !== undefined) {
      parts.push(plain, group);
      plain = "";
    }
    rest = rest.slice(found[0].length);
  }
  return [...parts, plain + rest];
}

/** undefined: there is no such group, the reference is empty. */
function groupNumber(name: string, groupNames: readonly string[]): number | undefined {
  const group = number.test(name) ? Number(name) : groupNames.indexOf(name);
  return group >= 0 && group < groupNames.length ? group : undefined;
}

/** The template with the groups of a match put in. */
export function expandTemplate(
  template: Template,
  groups: readonly (string | undefined)[],
): string {
  let text = "";
  for (const part of template) text += typeof part === "string" ? part : (groups[part] ?? "");
  return text;
}
