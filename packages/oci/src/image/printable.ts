/** What a stranger wrote, for a message: nothing in it steers a terminal. */
export function printable(text: string): string {
  return text.slice(0, 200).replace(/\p{C}/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
