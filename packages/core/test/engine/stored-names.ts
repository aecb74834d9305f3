import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { smallParts } from "./scripted.ts";

/** Parts of a host whose networks keep the names that they serve beside the root. `at` is told each step of a rename. */
export function storedNames(root: string, at: (step: "before the network" | "after the network") => void = () => {}) {
  const { parts } = smallParts();
  const path = (uuid: string) => join(root, "..", "served", uuid);
  return {
    ...parts,
    openNetworks: async () => ({
      ...(await parts.openNetworks()),
      reserve: async ({ name, uuid }: Owner) => {
        mkdirSync(join(root, "..", "served"), { recursive: true });
        writeFileSync(path(uuid), name);
        return [];
      },
      rename: async ({ name, uuid }: Owner) => {
        at("before the network");
        writeFileSync(path(uuid), name);
        at("after the network");
      },
      release: async ({ uuid }: Owner) => rmSync(path(uuid), { force: true }),
    }),
    served: (uuid: string) => readFileSync(path(uuid), "utf8"),
  };
}

interface Owner {
  readonly name: string;
  readonly uuid: string;
}
