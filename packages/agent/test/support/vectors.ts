import { readFileSync } from "node:fs";

/** The vectors of docs/agent-protocol.md, by name. */
export function readVectors(): ReadonlyMap<string, Buffer> {
  const text = readFileSync(new URL("../../../../docs/agent-protocol.md", import.meta.url), "utf8");
  const block = /```vectors\n([\s\S]*?)```/.exec(text)?.[1] ?? "";
  const lines = block.trim().split("\n");
  return new Map(lines.map((line) => [line.split(" ")[0] ?? "", Buffer.from(line.split(" ")[1] ?? "", "hex")]));
}
