/*
 * The first step of a container's PID 1 that has supplementary groups: liblxc sets none in a user namespace (start.c, do_start). Executed
 * as root of the container, it removes itself from sight, becomes the user with the groups, then the program. PATH is searched as
 * execvp(3) does, after that: a program is found by whom it will run as.
 *
 * argv: own path, uid, gid, groups joined by commas, program and its arguments.
 */
#include "base.h"

#define MNT_DETACH 2
#define AT_FDCWD -100
#define MAX_GROUPS 65536

static u32 groups[MAX_GROUPS];

/* The number that `*text` begins with; `*text` is then what follows it. */
static u32 number(const char **text) {
  u32 n = 0;
  for (; **text >= '0' && **text <= '9'; (*text)++) n = n * 10 + (u32)(**text - '0');
  return n;
}

__attribute__((used, noreturn)) void run(long *stack) {
  char **argv = (char **)(stack + 1), **envp = argv + stack[0] + 1;
  if (stack[0] < 5) leave(126);
  const char *uid = argv[1], *gid = argv[2], *list = argv[3];
  u32 count = 0;
  while (*list && count < MAX_GROUPS) {
    groups[count++] = number(&list);
    if (*list) list++;
  }
  /* It is a mount of its own on an empty file: neither is needed any more. */
  call(SYS_umount2, argv[0], MNT_DETACH, 0, 0);
  call(SYS_unlinkat, AT_FDCWD, argv[0], 0, 0);
  long error = -call(SYS_setgroups, count, groups, 0, 0);
  if (!error) error = -call(SYS_setgid, number(&gid), 0, 0, 0);
  if (!error) error = -call(SYS_setuid, number(&uid), 0, 0, 0);
  if (error) {
    complain("init", "cannot become the user for", argv[4], error);
    leave(126);
  }
  error = execute(argv + 4, envp);
  complain("init", "cannot run", argv[4], error);
  leave(error == ENOENT ? 127 : 126);
  __builtin_unreachable();
}
