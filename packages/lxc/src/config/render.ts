import { ConfigError } from "@pileus/core";

/** One line of a container's configuration: `lxc.container.conf(5)`. */
export type ConfigEntry = readonly [key: string, value: string | number];

/**
 * The text of a configuration. Every value stays on its line and is taken by liblxc exactly as it is.
 *
 * @throws {ConfigError} for a value that no line can hold.
 */
export function renderConfig(entries: readonly ConfigEntry[]): string {
  return entries.map(([key, value]) => `${checkKey(key)} = ${quote(key, String(value))}\n`).join("");
}

// confile.c, parse_line: surrounding blanks are cut, then one pair of quotes around the rest, and nothing within is special.
function quote(key: string, value: string): string {
  if (/[\n\r\0]/.test(value)) {
    throw new ConfigError("container configuration", [
      { path: [key], message: "a value cannot hold a line break or NUL" },
    ]);
  }
  return /^["'\s]|["'\s]$/.test(value) ? `"${value}"` : value;
}

function checkKey(key: string): string {
  if (!/^lxc(\.[a-z0-9_]+)+$/.test(key)) throw new TypeError(`no key of liblxc: ${JSON.stringify(key)}`);
  return key;
}
