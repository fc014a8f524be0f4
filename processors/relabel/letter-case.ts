/**
 * Upper and lower case as Go's strings.ToUpper and ToLower have it: one character for one, whatever stands
 * beside it. JavaScript's mapping makes `SS` of `ß` and another sigma at the end of a word.
 */
const beyondAscii = /[^ -~]/u;

export function toLower(text: string): string {
  if (!beyondAscii.test(text)) return text.toLowerCase();
  return perCharacter(text, (character) =>
    // The one character whose simple mapping JavaScript does not have.
    character === "\u{130}" ? "i" : character.toLowerCase(),
  );
}

export function toUpper(text: string): string {
  if (!beyondAscii.test(text)) return text.toUpperCase();
  return perCharacter(text, (character) => character.toUpperCase());
}

function perCharacter(text: string, map: (character: string) => string): string {
  let result = "";
  for (const character of text) {
    const mapped = map(character);
    const isOne = mapped.length === (mapped.codePointAt(0)! > 0xffff ? 2 : 1);
    result += isOne ? mapped : character;
  }
  return result;
}
