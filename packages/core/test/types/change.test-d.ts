/** The types of changes of a configuration. Checked by `tsc -p tsconfig.test.json`; nothing here runs. */
import type { Instance } from "../../src/index.ts";

export async function changes(instance: Instance) {
  await instance.update({ limits: { memory: "1GiB", cpu: null }, env: { A: null }, labels: { a: "1" } });
  await instance.plan({ log: { maxFiles: 2 } });
  // @ts-expect-error an unknown limit
  await instance.update({ limits: { memry: "1GiB" } });
  // @ts-expect-error rename() changes the name
  await instance.update({ name: "other" });
  // @ts-expect-error the image is fixed
  await instance.update({ image: "other" });
  await instance.update({ devices: { data: { type: "disk", source: "/srv", path: "/srv" }, other: null } });
  // @ts-expect-error a disk needs a path
  await instance.update({ devices: { data: { type: "disk", source: "/srv" } } });
  await instance.attachDevice("data", { type: "disk", source: "tmpfs:", path: "/cache", size: "1MiB" });
  // @ts-expect-error detachDevice() takes a device away
  await instance.attachDevice("data", null);
  await instance.detachDevice("data", { force: true });
  // @ts-expect-error a value of another type
  await instance.update({ env: { A: 1 } });
}
