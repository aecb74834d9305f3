/** The promises that `openHost()` makes in types. Checked by `tsc -p tsconfig.test.json`; nothing here runs. */
import { z } from "zod";
import {
  type Capability,
  type CreateConfig,
  type Driver,
  type Host,
  type HostOf,
  type Image,
  type Instance,
  type InstanceEvent,
  openHost,
  type PipeProcess,
  type RunResult,
  type SignalName,
  type TtyProcess,
} from "../../src/index.ts";

const LxcSection = z.strictObject({ nesting: z.boolean().default(false) }).prefault({});
const OciSection = z.strictObject({ args: z.array(z.string()).optional() }).prefault({});
declare function lxc(): Driver<"lxc", "exec" | "files" | "freeze", typeof LxcSection>;
declare function oci(): Driver<"oci", "exec" | "logs", typeof OciSection>;
declare function bare(): Driver<"bare", never, z.ZodOptional>;

/** Fails to compile unless the two types are the same. */
function same<A>() {
  return <B>(..._: [A] extends [B] ? ([B] extends [A] ? [] : [never]) : [never]) => {};
}

export async function drivers() {
  const host = await openHost({ root: "/x", drivers: [lxc(), oci()] });

  const system = await host.create({ driver: "lxc", name: "a", image: "base", lxc: { nesting: true } });
  same<typeof system>()<Instance<"exec" | "files" | "freeze">>();
  const program = await host.create({ driver: "oci", name: "b", image: "redis", oci: { args: ["-v"] } });
  same<typeof program>()<Instance<"exec" | "logs">>();

  // @ts-expect-error a driver that the host was opened without
  await host.create({ driver: "qemu", name: "c", image: "base" });
  // @ts-expect-error the section of another driver
  await host.create({ driver: "lxc", name: "a", image: "base", oci: {} });
  // @ts-expect-error a key that the driver's section does not have
  await host.create({ driver: "lxc", name: "a", image: "base", lxc: { nestling: true } });
  // @ts-expect-error a key that no configuration has
  await host.create({ driver: "lxc", name: "a", image: "base", limitz: {} });
  // @ts-expect-error one further in
  await host.create({ driver: "lxc", name: "a", image: "base", limits: { memroy: 1 } });
  const nic = { type: "nic", network: "net0" } as const;
  const filter: boolean = system.name === "a";
  await host.create({ driver: "lxc", name: "a", image: "base", devices: { eth0: { ...nic, filter } } });
  await host.create({ driver: "lxc", name: "a", image: "base", devices: { eth0: { ...nic, egress: { allow: [] } } } });
  const free = { ...nic, filter: false, egress: {} } as const;
  // @ts-expect-error a policy without the filter
  await host.create({ driver: "lxc", name: "a", image: "base", devices: { eth0: free } });
  // @ts-expect-error no image
  await host.create({ driver: "lxc", name: "a" });

  await system.freeze();
  // @ts-expect-error oci() has no freeze
  await program.freeze();
  await program.logs({ stream: "stdout" });
  // @ts-expect-error lxc() keeps no logs here
  await system.logs({ stream: "stdout" });

  const image = await host.images.get("base");
  await host.create({ driver: "oci", name: "d", image });
  await using temporary = await host.ephemeral({ driver: "lxc", name: "e", image });
  await temporary.files.stat("/");
}

export async function names(image: Image) {
  const drivers = [lxc(), oci()] as const;
  const host: HostOf<typeof drivers> = await openHost({ root: "/x", drivers });
  same<HostOf<ReturnType<typeof lxc>>>()<Host<ReturnType<typeof lxc>>>();
  const config: CreateConfig<ReturnType<typeof lxc>> = { driver: "lxc", name: "a", image, lxc: { nesting: true } };
  const system = await host.create(config);
  same<typeof system>()<Instance<"exec" | "files" | "freeze">>();
  // @ts-expect-error another driver's name
  const other: CreateConfig<ReturnType<typeof lxc>> = { driver: "oci", name: "a", image };
  return other;
}

/** One loop over several drivers gets what all of them can do. */
export async function several() {
  const host = await openHost({ root: "/x", drivers: [lxc(), oci()] });
  for (const driver of ["lxc", "oci"] as const) {
    const instance = await host.create({ driver, name: driver, image: "base" });
    same<typeof instance>()<Instance<"exec">>();
    if (instance.can("freeze")) await instance.freeze();
  }
}

export async function one() {
  const host = await openHost({ root: "/x", drivers: [bare()] });
  const instance = await host.create({ driver: "bare", name: "a", image: "base" });
  same<typeof instance>()<Instance<never>>();
  await instance.start();
  // @ts-expect-error an instance without capabilities has the core alone
  await instance.exec(["ls"]);
}

export async function narrowing() {
  const host = await openHost({ root: "/x", drivers: [lxc(), oci()] });
  const some = await host.get("a");
  same<typeof some>()<Instance<"exec">>();
  await some.exec(["ls"]);
  // @ts-expect-error found without naming its driver, it has what all drivers can do until can() has been asked
  await some.files.read("/etc/passwd");
  if (some.can("files")) {
    await some.files.read("/etc/passwd");
    await some.run(["ls"]);
  }
  // @ts-expect-error not a capability
  some.can("fly");
  const typed = await host.get("a", { driver: "lxc" });
  same<typeof typed>()<Instance<"exec" | "files" | "freeze">>();
  // @ts-expect-error not a driver of this host
  await host.get("a", { driver: "qemu" });
}

export async function modes(instance: Instance<"exec">) {
  const piped = await instance.exec(["ls"]);
  same<typeof piped>()<PipeProcess>();
  const terminal = await instance.exec(["sh"], { tty: { columns: 80, rows: 24 } });
  same<typeof terminal>()<TtyProcess>();
  // @ts-expect-error a terminal has no separate standard error
  terminal.stderr;
  // @ts-expect-error a terminal tells no lines
  await instance.exec(["sh"], { tty: { columns: 80, rows: 24 }, onStdout: () => undefined });
  const printed = await instance.run(["ls"], { encoding: "utf8", check: true });
  same<typeof printed>()<RunResult>();
  const bytes = await instance.run(["ls"], { encoding: "buffer" });
  same<typeof bytes>()<RunResult<Buffer>>();
  // @ts-expect-error a command line is an argv, never a string
  await instance.exec("ls -l");
  const exit = await piped.exit;
  switch (exit.kind) {
    case "exited":
      return exit.code satisfies number;
    case "signaled":
      return exit.signal satisfies SignalName;
    default:
      return exit satisfies never;
  }
}

export async function events(instance: Instance) {
  instance.events.on("state", (event) => event.previous);
  instance.events.on("exit", (event) => event.exit.reason);
  // @ts-expect-error there is no such event
  instance.events.on("explosion", () => {});
  // @ts-expect-error a state event has no exit
  instance.events.on("state", (event) => event.exit);
  for await (const event of instance.watch()) same<typeof event>()<InstanceEvent>();
}

/** A handle of many capabilities serves where fewer are asked for. */
export const wider: (instance: Instance<"exec" | "files">) => Instance<"exec"> = (instance) => instance;
// @ts-expect-error but not the other way round
export const narrower: (instance: Instance<"exec">) => Instance<"exec" | "files"> = (instance) => instance;
export const all: (instance: Instance<Capability>) => Instance = (instance) => instance;
