import { ConfigError } from "@pileus/core";

/** One line of a container's configuration: `lxc.container.conf(5)`. */
export type ConfigEntry = readonly [key: string, value: string | number];

/**
 * The text of a configuration. Every value stays on its line, and liblxc reads it exactly as it is.
 *
 * @throws {ConfigError} for a value that no line can hold.
 */
export function renderConfig(entries: readonly ConfigEntry[]): string {
  return entries.map(([key, value]) => `${checkKey(key)} = ${quote(key, String(value))}\n`).join("");
}

// confile.c, parse_line: it removes surrounding blanks, then one pair of quotes. No character within is special.
function quote(key: string, value: string): string {
  if (/[\n\r\0]/.test(value)) {
    throw new ConfigError("container configuration", [
      { path: [key], message: "a value cannot contain a line break or NUL" },
    ]);
  }
  return /^["'\s]|["'\s]$/.test(value) ? `"${value}"` : value;
}

function checkKey(key: string): string {
  if (!/^lxc(\.[a-z0-9_]+)+$/.test(key)) throw new TypeError(`not a key of liblxc: ${JSON.stringify(key)}`);
  return key;
}
