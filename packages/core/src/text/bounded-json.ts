import { printable } from "./printable.ts";

/** Limits for {@link parseJson}. */
export interface JsonBounds {
  /** The most arrays and objects within one another. Default {@link MAX_JSON_DEPTH}. */
  readonly maxDepth?: number | undefined;
}

/** Far more than any document of QMP, OCI, `ip` or `qemu-img` needs, and far less than overflows a recursive walk. */
export const MAX_JSON_DEPTH = 64;

/**
 * Parses untrusted JSON. `JSON.parse` accepts any nesting, but code that walks the value recursively, such as
 * `JSON.stringify` or a schema, overflows the stack at some thousand levels. So the levels are counted first.
 *
 * @throws {SyntaxError} when the text is not JSON or is nested too deeply. The message is short and printable.
 */
export function parseJson(text: string, bounds: JsonBounds = {}): unknown {
  const { maxDepth = MAX_JSON_DEPTH } = bounds;
  if (isDeeper(text, maxDepth)) throw new SyntaxError(`arrays or objects are nested more than ${maxDepth} deep`);
  try {
    return JSON.parse(text);
  } catch (error) {
    // V8 quotes the text.
    throw new SyntaxError(printable((error as SyntaxError).message, 200));
  }
}

// For a text that is not JSON the result means nothing; JSON.parse refuses that anyway.
function isDeeper(text: string, maxDepth: number): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') quoted = !quoted;
    else if (quoted && character === "\\") at++;
    else if (quoted) continue;
    else if (character === "]" || character === "}") depth--;
    else if (character === "[" || character === "{") {
      depth++;
      if (depth > maxDepth) return true;
    }
  }
  return false;
}
