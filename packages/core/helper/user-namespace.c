/*
 * Makes a user namespace as a user without rights, so that the kernel counts what its programs use for that user:
 * namespaces(7), and ucounts in linux/kernel/ucount.c.
 *
 * argv: own path, the id of the user. Its standard output gets 32 bits, 0 or an errno. It keeps the namespace until its
 * standard input ends.
 */
#include "../../lxc/helper/base.h"

#if defined(__x86_64__)
enum { SYS_setresuid = 117, SYS_setresgid = 119, SYS_unshare = 272 };
#else
enum { SYS_setresuid = 147, SYS_setresgid = 149, SYS_unshare = 97 };
#endif

enum { CLONE_NEWUSER = 0x10000000 };

__attribute__((used, noreturn)) void run(long *stack) {
  char **argv = (char **)(stack + 1);
  if (stack[0] < 2) leave(126);
  u32 id = 0;
  for (const char *c = argv[1]; *c >= '0' && *c <= '9'; c++) id = id * 10 + (u32)(*c - '0');
  long error = -call(SYS_setgroups, 0, 0, 0, 0);
  if (!error) error = -call(SYS_setresgid, id, id, id, 0);
  if (!error) error = -call(SYS_setresuid, id, id, id, 0);
  if (!error) error = -call(SYS_unshare, CLONE_NEWUSER, 0, 0, 0);
  u32 answer = (u32)error;
  call(SYS_write, 1, &answer, sizeof answer, 0);
  char end;
  while (call(SYS_read, 0, &end, 1, 0) == -EINTR);
  leave(0);
  __builtin_unreachable();
}
