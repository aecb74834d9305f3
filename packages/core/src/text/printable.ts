// Unicode, general categories: controls, format characters (those that turn the direction of writing among them), line
// and paragraph separators; Cs is a surrogate without its other half.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * A stranger's text as it may stand in a message, on a terminal and in a log: one line, in which nothing steers, hides
 * or reorders anything. Each such character becomes U+FFFD. A text of more than `max` UTF-16 code units is cut, and
 * ends with an ellipsis.
 */
export function printable(text: string, max: number = Number.POSITIVE_INFINITY): string {
  return (text.length <= max ? text : `${start(text, max - 1)}…`).replace(UNPRINTABLE, "\ufffd");
}

// A character of two code units is left out whole.
function start(text: string, length: number): string {
  return text.slice(0, Math.max(0, length)).replace(/[\ud800-\udbff]$/, "");
}
