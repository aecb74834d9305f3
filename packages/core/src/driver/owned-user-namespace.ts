import { closeSync, readSync } from "node:fs";
import { pipe } from "../system/descriptor.ts";
import { SealedHelper } from "../system/sealed-helper.ts";
import { systemErrorOf } from "../system/syscall.ts";
import { namespaceFailure, openMapped } from "../system/user-namespace.ts";
import type { Idmap } from "../terms/idmap.ts";
import { launch } from "./launch.ts";
import { USER_NAMESPACE_BINARIES } from "./user-namespace-binary.ts";

/** helper/user-namespace.c */
const HELPER = new SealedHelper("user-namespace", USER_NAMESPACE_BINARIES);

/**
 * Creates a user namespace with this map and without a process, whose owner is its own root, for the programs of an
 * instance. The kernel counts what they use by user (inotify instances, namespaces) also for the owner of their
 * namespace: if root of the host had made it, one instance could use up what all of root's programs may have. The
 * caller closes the descriptor. Takes a millisecond.
 *
 * @throws {HostError} when the kernel refuses, or this process has no descriptor left.
 */
export function openOwnedUserNamespace(idmap: Idmap): number {
  const descriptors: number[] = [];
  const openPipe = () => {
    const made = pipe();
    descriptors.push(made.read, made.write);
    return made;
  };
  try {
    const [hold, answer] = [openPipe(), openPipe()];
    // The launcher gives the namespace the usual limits of processes and memory, not ours: user_namespaces(7).
    const { pid } = launch(["/proc/self/fd/3", String(idmap.base)], {
      descriptors: [hold.read, answer.write, "ignore", HELPER.descriptor()],
    });
    for (const fd of [hold.read, answer.write]) closeSync(descriptors.splice(descriptors.indexOf(fd), 1)[0] as number);
    const said = Buffer.alloc(4);
    if (readSync(answer.read, said) !== said.length) throw systemErrorOf("unshare", ECHILD);
    const errno = said.readUInt32LE();
    if (errno !== 0) throw systemErrorOf("unshare", errno);
    return openMapped(pid, idmap);
  } catch (error) {
    throw namespaceFailure(error);
  } finally {
    for (const fd of descriptors) closeSync(fd);
  }
}

/** The helper has ended without an answer: somebody has killed it. */
const ECHILD = 10;
