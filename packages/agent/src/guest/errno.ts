import { constants } from "node:os";

const { EACCES, ENOENT, ENOTDIR } = constants.errno;

const WORDS: Readonly<Record<number, string>> = {
  [ENOENT]: "not found",
  [EACCES]: "permission denied",
  [ENOTDIR]: "not a folder",
};

/** Why a call of the system failed, in words where it is of the common ones, by name otherwise. */
export function explainErrno(errno: number): string {
  const name = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0];
  return WORDS[errno] ?? name ?? `error ${errno}`;
}
