import { CommonConfigSchema, type InstanceConfig } from "@pileus/core";
import { expect, it } from "vitest";
import { plan } from "../src/plan.ts";
import { OciSectionSchema } from "../src/section.ts";

function config(section: unknown = {}, more: Record<string, unknown> = {}): InstanceConfig {
  const common = CommonConfigSchema.parse({ name: "web", driver: "oci", image: "nginx", ...more });
  return { ...common, oci: OciSectionSchema.parse(section) };
}

it.for([
  { entrypoint: ["a"] },
  { cmd: ["a"] },
  { workdir: "/a" },
  { user: "a" },
  { stopSignal: "SIGINT" },
  { init: true },
  { keepAlive: true },
  { capabilities: { drop: ["CHOWN"] } },
  { noNewPrivileges: false },
  { seccomp: "unconfined" },
  { systemPaths: "unconfined" },
])("a change of %j waits for the next start", (section) => {
  const [key] = Object.keys(section);
  expect(plan(config(), config(section), []).changes).toEqual([{ path: `oci.${key}`, effect: "next-start" }]);
});

it("distinguishes what changes at once, at the next start and never", () => {
  const after = config({ privileged: true }, { limits: { memory: "1GiB" }, env: { A: "b" } });
  expect(Object.fromEntries(plan(config(), after, []).changes.map(({ path, effect }) => [path, effect]))).toEqual({
    "limits.memory": "live",
    env: "next-start",
    "oci.privileged": "unsupported",
  });
});
