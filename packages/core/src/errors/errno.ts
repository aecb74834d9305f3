/** What the names of the system's errors mean for a file. errno(3), and the page of each system call. */
const MEANINGS = new Map([
  ["EACCES", "permission denied"],
  ["EBUSY", "it is in use, such as a mount point"],
  ["EDQUOT", "the quota of its owner is used up"],
  ["EEXIST", "the path exists already"],
  ["EFBIG", "too large"],
  ["EINVAL", "not possible for a file of this kind or with this value"],
  ["EIO", "the device or file system failed"],
  ["EISDIR", "it is a folder"],
  ["ELOOP", "too many symlinks, or one that may not be followed"],
  ["EMFILE", "this process has too many open files"],
  ["ENAMETOOLONG", "the path or a name in it is too long"],
  ["ENFILE", "the host has too many open files"],
  ["ENOENT", "no such file or folder"],
  ["ENOEXEC", "not a program in a format that the kernel knows"],
  ["ENOMEM", "not enough memory"],
  ["ENOSPC", "the file system is full"],
  ["ENOTDIR", "a part of the path is not a folder"],
  ["ENOTEMPTY", "the folder is not empty"],
  ["ENOTSUP", "the file system does not support it"],
  ["EOPNOTSUPP", "the file system does not support it"],
  ["EPERM", "operation not permitted"],
  ["EROFS", "the file system is read-only"],
  ["ETXTBSY", "the program is running"],
  ["EXDEV", "the path leads to another file system"],
]);

/** What to do about them, by the action that failed. */
const ADVICE = new Map([
  ["read EISDIR", "use list(), or pull() for all of it"],
  ["write ENOENT", "create its folder first: mkdir(folder, { recursive: true })"],
  ["write EISDIR", "a file cannot replace it, so give the whole path of the file"],
  ["mkdir ENOENT", "pass { recursive: true } to create its parents"],
  ["mkdir EEXIST", "pass { recursive: true } to accept an existing folder"],
  ["remove ENOTEMPTY", "pass { recursive: true } to remove its content, too"],
  ["list ENOTDIR", "use stat() for a file"],
  ["read all of EFBIG", "pass a larger maxSize, or use read() for a stream"],
  ["list EFBIG", "use list(), which has no limit"],
]);

/** Explains a failed action on a file: the error's name and meaning, what else is known, and what to do. */
export function explainErrno(verb: string, errno: string, detail: string | undefined): string {
  // The detail says more than the meaning of an error for anything that is refused.
  const meaning = detail !== undefined && (errno === "EINVAL" || errno === "EFBIG" || errno === "EIO");
  const parts = [errno, meaning ? undefined : MEANINGS.get(errno), detail, ADVICE.get(`${verb} ${errno}`)];
  return parts.filter((part) => part !== undefined && part !== "").join(": ");
}
