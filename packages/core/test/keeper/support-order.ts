import type { KeeperOrder } from "../../src/keeper/order.ts";

/** A script with its arguments, the first as `$0`. */
export function shell(script: string, ...words: readonly string[]): KeeperOrder {
  return { argv: ["/bin/sh", "-c", script, ...words], env: { PATH: process.env["PATH"] ?? "" } };
}
