import type { Abortable } from "@pileus/core";
import type { FileOperations, NicAttachment } from "@pileus/core/driver";
import { resolveUser, type User } from "@pileus/lxc/runtime";
import type { Program } from "./process.ts";

/** What has to stand in an instance's root before its program starts. All paths are followed inside of the root only. */
export interface Preparation {
  readonly name: string;
  readonly program: Program;
  readonly nics: readonly NicAttachment[];
}

/**
 * Makes the root ready for its program, and says whom it runs as: the working directory exists, as Docker makes it, and names resolve.
 * Nobody inside would write `/etc/hosts` and `/etc/resolv.conf`, so that they are written anew at every start.
 *
 * @throws {ConfigError} when the program's user or group is not in the instance's own files
 */
export async function prepareRoot(
  files: FileOperations,
  { name, program, nics }: Preparation,
  options: Abortable,
): Promise<User> {
  const user = await resolveUser(files, program.user);
  if (program.workdir !== "/") await files.mkdir(program.workdir, { ...options, recursive: true });
  await files.mkdir("/etc", { ...options, recursive: true });
  await replaceText(files, "/etc/hostname", `${name}\n`, options);
  await replaceText(files, "/etc/hosts", renderHosts(name, nics), options);
  if (nics.length > 0) await replaceText(files, "/etc/resolv.conf", renderResolvConf(nics), options);
  return user;
}

/** hosts(5). */
export function renderHosts(name: string, nics: readonly NicAttachment[]): string {
  const own = nics.length > 0 ? nics.map(({ ipv4 }) => ipv4.address) : ["127.0.1.1"];
  return [
    "127.0.0.1 localhost",
    "::1 localhost ip6-localhost ip6-loopback",
    ...own.map((ip) => `${ip} ${name}`),
    "",
  ].join("\n");
}

/** resolv.conf(5): the C libraries read three servers at most. */
export function renderResolvConf(nics: readonly NicAttachment[]): string {
  const servers = [...new Set(nics.flatMap(({ dns }) => dns.servers))].slice(0, 3);
  const domains = [...new Set(nics.map(({ dns }) => dns.domain))];
  return [`search ${domains.join(" ")}`, ...servers.map((server) => `nameserver ${server}`), ""].join("\n");
}

/** Puts a file in place of whatever stands there: images have links to nowhere, and builders leave folders. */
async function replaceText(files: FileOperations, path: string, text: string, options: Abortable): Promise<void> {
  await files.remove(path, { ...options, recursive: true });
  const { stream, done } = await files.write(path, options);
  stream.on("error", () => {
    // `done` tells.
  });
  stream.end(text);
  await done;
}
