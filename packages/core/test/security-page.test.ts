import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";

const checkout = new URL("../../../", import.meta.url);
const page = readFileSync(new URL("docs/security.md", checkout), "utf8");

/** What all tests and the kit say, where the name of a test may be made of parts. */
const tests = ["agent", "core", "lxc", "oci", "qemu"]
  .flatMap((name) => [`packages/${name}/test/`, ...(name === "core" ? ["packages/core/src/testing/"] : [])])
  .flatMap((folder) => {
    const names = readdirSync(new URL(folder, checkout), { recursive: true, encoding: "utf8" });
    return names
      .filter((name) => name.endsWith(".ts"))
      .map((name) => readFileSync(new URL(folder + name, checkout), "utf8"));
  })
  .join("\n");

it("the page of what is tried names tests that exist", () => {
  const named = [...page.matchAll(/"([^"\n]+)"/g)].map(([, name = ""]) => name);
  expect(named.length).toBeGreaterThan(25);
  // What stands for a value of a table, or was left out, parts a name.
  const parts = named.flatMap((name) => name.split(/…|%s/)).map((part) => part.trim());
  expect(parts.filter((part) => part !== "" && !tests.includes(part))).toEqual([]);
});
