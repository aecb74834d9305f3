// Unicode general categories: controls, format characters (including those that change the direction of text), line and
// paragraph separators, and lone surrogates (Cs).
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * Makes untrusted text safe for a message, a terminal and a log: one line without characters that control, hide or
 * reorder anything. Each such character becomes U+FFFD. A text of more than `max` UTF-16 code units is cut and ends
 * with an ellipsis.
 */
export function printable(text: string, max: number = Number.POSITIVE_INFINITY): string {
  return (text.length <= max ? text : `${start(text, max - 1)}…`).replace(UNPRINTABLE, "\ufffd");
}

// Never cut between the two halves of a surrogate pair.
function start(text: string, length: number): string {
  return text.slice(0, Math.max(0, length)).replace(/[\ud800-\udbff]$/, "");
}
