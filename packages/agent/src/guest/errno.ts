import { constants } from "node:os";

const { EACCES, ENOENT, ENOTDIR } = constants.errno;

const WORDS: Readonly<Record<number, string>> = {
  [ENOENT]: "not found",
  [EACCES]: "permission denied",
  [ENOTDIR]: "not a folder",
};

/** Why a system call failed: in words for common errors, else the name of the errno. */
export function explainErrno(errno: number): string {
  const name = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0];
  return WORDS[errno] ?? name ?? `error ${errno}`;
}
