// What nft(8) lists, as it lists it, except for blanks.

/** Refuses a packet and tells the sender at once, and not after a timeout. */
export const REJECT = "reject with icmpx admin-prohibited";

/** nft accepts no empty list of elements. It lists them in an order of its own. */
export function renderSet(name: string, type: string, elements: readonly string[]): string {
  return renderElements("set", name, type, elements);
}

/** A map to verdicts, for `vmap`. */
export function renderVerdicts(name: string, type: string, elements: readonly string[]): string {
  return renderElements("map", name, `${type} : verdict`, elements);
}

function renderElements(kind: "set" | "map", name: string, type: string, elements: readonly string[]): string {
  const list = elements.length === 0 ? "" : `    elements = { ${elements.join(", ")} }\n`;
  return `  ${kind} ${name} {
    type ${type}
${list}  }
`;
}

/** A chain that others jump to; with a `hook`, one that the kernel calls. */
export function renderChain(name: string, rules: readonly string[], hook?: string): string {
  const lines = hook === undefined ? rules : [`type ${hook}; policy accept;`, ...rules];
  return `  chain ${name} {
${lines.map((line) => `    ${line}\n`).join("")}  }
`;
}

/** A table of sets, maps and chains. */
export function renderTable(family: "inet" | "bridge", name: string, parts: readonly string[]): string {
  return `table ${family} ${name} {\n${parts.join("\n")}}\n`;
}
