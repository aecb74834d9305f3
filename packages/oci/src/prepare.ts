import type { Abortable } from "@pileus/core";
import type { FileOperations, NicAttachment } from "@pileus/core/driver";
import type { Account } from "@pileus/core/files";
import { resolveUser, writeNetworkFiles } from "@pileus/lxc/runtime";
import type { Program } from "./process.ts";

/** What has to stand in an instance's root before its program starts. All paths are followed inside of the root only. */
export interface Preparation {
  readonly name: string;
  readonly program: Program;
  readonly nics: readonly NicAttachment[];
}

/**
 * Makes the root ready for its program, and says whom it runs as: the working directory exists, as Docker makes it, and names
 * resolve, though nobody inside would see to that.
 *
 * @throws {NotFoundError} when the program's user or group is not in the instance's own files
 */
export async function prepareRoot(
  files: FileOperations,
  { name, program, nics }: Preparation,
  options: Abortable,
): Promise<Account> {
  const user = await resolveUser(files, program.user);
  if (program.workdir !== "/") await files.mkdir(program.workdir, { ...options, recursive: true });
  await writeNetworkFiles(files, { name, nics }, options);
  return user;
}
