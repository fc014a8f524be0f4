/**
 * Upper and lower case as Go's strings.ToUpper and ToLower have it: one character for one, whatever stands
 * beside it. JavaScript's mapping makes `SS` of `ß` and another sigma at the end of a word.
 */
const beyondAscii = /[^ -~]/u;
/** Greek letters with an iota below. Their capital is one character, too, but JavaScript writes the iota beside it. */
const withIota = /[\u1f80-\u1f87\u1f90-\u1f97\u1fa0-\u1fa7\u1fb3\u1fc3\u1ff3]/u;

export function toLower(text: string): string {
  if (!beyondAscii.test(text)) return text.toLowerCase();
  return perCharacter(text, (character) =>
    // The one character whose simple mapping JavaScript does not have.
    character === "\u{130}" ? "i" : character.toLowerCase(),
  );
}

export function toUpper(text: string): string {
  if (!beyondAscii.test(text)) return text.toUpperCase();
  return perCharacter(text, (character) =>
    withIota.test(character) ? capitalWithIota(character) : character.toUpperCase(),
  );
}

function capitalWithIota(character: string): string {
  const code = character.codePointAt(0)!;
  return String.fromCodePoint(code + (code < 0x1fb0 ? 8 : 9));
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
