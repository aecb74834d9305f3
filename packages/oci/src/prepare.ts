import type { Abortable } from "@pileus/core";
import type { FileOperations, NicAttachment } from "@pileus/core/driver";
import type { Account } from "@pileus/core/files";
import { resolveUser, writeNetworkFiles } from "@pileus/lxc/runtime";
import type { Program } from "./process.ts";

/** What an instance's root must have before its program starts. All paths are resolved inside of the root only. */
export interface Preparation {
  readonly name: string;
  readonly program: Program;
  readonly nics: readonly NicAttachment[];
}

/**
 * Prepares the root for its program, and returns the program's user. Makes the working directory, as Docker does, and
 * the files that resolve names, because no program inside would.
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
