import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Capability, Host, Instance } from "@pileus/core";
import type { AnyDriver } from "@pileus/core/driver";

/** The objects that a verb is called on. */
export interface Place {
  readonly host: Host<AnyDriver>;
  readonly instance: Instance<Capability>;
  /** A folder of the host, with the file `file` in it. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/**
 * One call of the public interface, and the state of its instance before the call. An instance that is to be found
 * again was started by another host, which has been disposed.
 */
export interface Verb {
  readonly name: string;
  readonly state: "stopped" | "running" | "frozen" | "found again";
  readonly call: (place: Place) => Promise<unknown>;
}

/** A folder of the host with a file to push. */
export async function folderToPush(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-harness-"));
  await writeFile(join(folder, "file"), "content");
  return folder;
}

const verb = (name: string, state: Verb["state"], call: Verb["call"]): Verb => ({ name, state, call });

const CHANGE = { limits: { memory: "64MiB" }, labels: { a: "1" } };

/** Reads a stream to its end. */
async function drained(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

/** Every call on an instance that takes a signal, and the calls on the host that reach a driver. */
export const VERBS: readonly Verb[] = [
  verb("create", "stopped", ({ host, instance, signal }) =>
    instance
      .inspect()
      .then(({ config: { driver, image } }) => host.create({ driver, name: "other", image }, { signal })),
  ),
  verb("ephemeral", "stopped", ({ host, instance, signal }) =>
    instance
      .inspect()
      .then(({ config: { driver, image } }) => host.ephemeral({ driver, name: "other", image }, { signal })),
  ),
  verb("ephemeral, ready", "stopped", ({ host, instance, signal }) =>
    instance
      .inspect()
      .then(({ config: { driver, image } }) =>
        host.ephemeral({ driver, name: "other", image }, { signal, ready: true }),
      ),
  ),
  verb("list, live", "found again", ({ host, signal }) => host.list({ state: "live", signal })),
  verb("sweep", "running", ({ host, signal }) => host.sweep({ signal })),
  verb("list", "running", ({ host, signal }) => host.list({ signal })),
  verb("doctor", "running", ({ host, signal }) => host.doctor({ signal })),
  verb("state", "running", ({ instance, signal }) => instance.state({ signal })),
  verb("inspect", "running", ({ instance, signal }) => instance.inspect({ signal })),
  verb("state, found again", "found again", ({ instance, signal }) => instance.state({ signal })),
  verb("stop, found again", "found again", ({ instance, signal }) => instance.stop({ signal })),
  verb("delete, found again", "found again", ({ instance, signal }) => instance.delete({ signal })),
  verb("run, found again", "found again", ({ instance, signal }) => instance.run(["echo", "hi"], { signal })),
  verb("start", "stopped", ({ instance, signal }) => instance.start({ signal })),
  verb("ready", "running", ({ instance, signal }) => instance.ready({ signal })),
  verb("wait", "running", ({ instance, signal }) => instance.wait({ signal })),
  verb("stop", "running", ({ instance, signal }) => instance.stop({ signal })),
  verb("stop, frozen", "frozen", ({ instance, signal }) => instance.stop({ signal })),
  verb("stop by ask-then-kill", "running", ({ instance, signal }) => instance.stop({ mode: "ask-then-kill", signal })),
  verb("stop by kill", "running", ({ instance, signal }) => instance.stop({ mode: "kill", signal })),
  verb("stop by kill, frozen", "frozen", ({ instance, signal }) => instance.stop({ mode: "kill", signal })),
  verb("restart", "running", ({ instance, signal }) => instance.restart({ signal })),
  verb("plan", "running", ({ instance, signal }) => instance.plan(CHANGE, { signal })),
  verb("update", "running", ({ instance, signal }) => instance.update(CHANGE, { signal })),
  verb("update, frozen", "frozen", ({ instance, signal }) => instance.update(CHANGE, { signal })),
  verb("update, stopped", "stopped", ({ instance, signal }) => instance.update(CHANGE, { signal })),
  verb("update, found again", "found again", ({ instance, signal }) => instance.update(CHANGE, { signal })),
  verb("rename", "running", ({ instance, signal }) => instance.rename("other", { signal })),
  verb("delete", "running", ({ instance, signal }) => instance.delete({ signal })),
  verb("delete, stopped", "stopped", ({ instance, signal }) => instance.delete({ signal })),
  verb("freeze", "running", ({ instance, signal }) => instance.freeze({ signal })),
  verb("unfreeze", "frozen", ({ instance, signal }) => instance.unfreeze({ signal })),
  verb("reboot", "running", ({ instance, signal }) => instance.reboot({ signal })),
  verb("addresses", "running", ({ instance, signal }) => instance.addresses({ signal })),
  verb("metrics", "running", ({ instance, signal }) => instance.metrics({ signal })),
  verb("metrics, frozen", "frozen", ({ instance, signal }) => instance.metrics({ signal })),
  verb("logs", "running", async ({ instance, signal }) => drained(await instance.logs({ stream: "console", signal }))),
  verb("run", "running", ({ instance, signal }) => instance.run(["echo", "hi"], { signal })),
  verb("run of what lasts", "running", ({ instance, signal }) => instance.run(["sleep", "60"], { signal })),
  verb("run, fed", "running", ({ instance, signal }) => instance.run(["cat"], { input: "text", signal })),
  verb("exec, kill and dispose", "running", async ({ instance, signal }) => {
    const process = await instance.exec(["sleep", "60"], { signal });
    await process.kill("SIGTERM", { signal }).finally(() => process[Symbol.asyncDispose]());
  }),
  verb("exec on a terminal and resize", "running", async ({ instance, signal }) => {
    const process = await instance.exec(["cat"], { tty: { columns: 80, rows: 24 }, signal });
    await process.resize({ columns: 100, rows: 30 }, { signal }).finally(() => process[Symbol.asyncDispose]());
  }),
  verb("read", "running", async ({ instance, signal }) =>
    drained(await instance.files.read("/etc/hostname", { signal })),
  ),
  verb("readAll", "running", ({ instance, signal }) => instance.files.readAll("/etc/hostname", { signal })),
  verb("write", "running", ({ instance, signal }) => instance.files.write("/new", "content", { signal })),
  verb("stat", "running", ({ instance, signal }) => instance.files.stat("/etc/hostname", { signal })),
  verb("list of files", "running", async ({ instance, signal }) => {
    for await (const { name } of instance.files.list("/", { signal })) void name;
  }),
  verb("listAll", "running", ({ instance, signal }) => instance.files.listAll("/", { signal })),
  verb("exists", "running", ({ instance, signal }) => instance.files.exists("/etc/hostname", { signal })),
  verb("mkdir", "running", ({ instance, signal }) => instance.files.mkdir("/folder", { signal })),
  verb("remove", "running", ({ instance, signal }) => instance.files.remove("/etc/hostname", { signal })),
  verb("push", "running", ({ instance, folder, signal }) => instance.files.push(folder, "/pushed", { signal })),
  verb("pull", "running", ({ instance, folder, signal }) =>
    instance.files.pull("/etc", join(folder, "in"), { signal }),
  ),
];
