import { readFileSync } from "node:fs";
import { type Account, findAccount, type UnknownAccount } from "@pileus/core/files";

/** Finds a user in the guest's own files, as {@link findAccount} does. Default: root. */
export function findUser(user: string | undefined, etc = "/etc"): Account | UnknownAccount {
  return findAccount(user, { passwd: readText(`${etc}/passwd`), group: readText(`${etc}/group`) });
}

// A guest without the file has no users or groups.
function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
