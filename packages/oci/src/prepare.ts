import { type Abortable, type FileError, isInstanceError } from "@pileus/core";
import type { FileOperations, NicAttachment } from "@pileus/core/driver";
import { type Account, resolveAccount } from "./account.ts";
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
 * @throws {NotFoundError} when the program's user or group is not in the instance's own files
 */
export async function prepareRoot(
  files: FileOperations,
  { name, program, nics }: Preparation,
  options: Abortable,
): Promise<Account> {
  const passwd = await readText(files, "/etc/passwd", options);
  const group = await readText(files, "/etc/group", options);
  const account = resolveAccount(program.user, { passwd, group });
  if (program.workdir !== "/") await files.mkdir(program.workdir, { ...options, recursive: true });
  await files.mkdir("/etc", { ...options, recursive: true });
  await replaceText(files, "/etc/hostname", `${name}\n`, options);
  await replaceText(files, "/etc/hosts", renderHosts(name, nics), options);
  if (nics.length > 0) await replaceText(files, "/etc/resolv.conf", renderResolvConf(nics), options);
  return account;
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

/** More than any passwd file, and little enough to hold. */
const MAX_TEXT = 4 * 1024 * 1024;

/** A small text; empty where there is no such regular file. */
async function readText(files: FileOperations, path: string, options: Abortable): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of await files.read(path, options)) {
      size += chunk.length;
      if (size > MAX_TEXT) break;
      chunks.push(chunk);
    }
  } catch (error) {
    if (isAbsent(error)) return "";
    throw error;
  }
  return Buffer.concat(chunks).toString();
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

function isAbsent(error: unknown): boolean {
  if (!isInstanceError(error, "ERR_INSTANCE_FILE")) return false;
  return ["ENOENT", "ENOTDIR", "EINVAL", "EISDIR", "ELOOP"].includes((error as FileError).errno);
}
