import { text } from "node:stream/consumers";
import { type Abortable, isInstanceError } from "@pileus/core";
import { type FileOperations, type NicAttachment, renderHosts, renderResolvConf } from "@pileus/core/driver";

/**
 * Writes what a system reads about its own name and its resolvers, before it starts. `/etc/hosts` is the instance's own
 * as soon as it has its name in it.
 */
export async function writeNetworkFiles(
  files: FileOperations,
  instance: { readonly name: string; readonly nics: readonly NicAttachment[] },
  options: Abortable,
): Promise<void> {
  const { name, nics } = instance;
  await files.mkdir("/etc", { ...options, recursive: true });
  await replace(files, "/etc/hostname", `${name}\n`, options);
  const hosts = await readIfThere(files, "/etc/hosts");
  if (!hosts.split(/\s+/).includes(name)) await replace(files, "/etc/hosts", renderHosts(name, nics, hosts), options);
  if (nics.length > 0) await replace(files, "/etc/resolv.conf", renderResolvConf(nics), options);
}

/**
 * In place of whatever is there: distributions have a symlink to what a service would write. Most starts find it done.
 */
async function replace(files: FileOperations, path: string, content: string, options: Abortable): Promise<void> {
  if ((await readIfThere(files, path)) === content) return;
  await files.remove(path, { ...options, recursive: true });
  const { stream, done } = await files.write(path, options);
  stream.end(content);
  await done;
}

async function readIfThere(files: FileOperations, path: string): Promise<string> {
  try {
    const { size, type } = await files.stat(path, {});
    // More is nothing that a person wrote.
    return type === "file" && size < 1024 * 1024 ? await text(await files.read(path, {})) : "";
  } catch (error) {
    if (isInstanceError(error, "ERR_FILE")) return "";
    throw error;
  }
}
