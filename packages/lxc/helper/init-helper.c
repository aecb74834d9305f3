/*
 * The first step of a container's PID 1, executed as root of the container: it becomes the user, with the supplementary groups that liblxc
 * leaves out in a user namespace (start.c, do_start), then the program, and tells whoever starts the container when it could not. PATH
 * is searched as execvp(3) does, after that: a program is found by whom it will run as.
 *
 * argv: own path, path of a FIFO, uid, gid, groups joined by commas, program and its arguments. On the FIFO stands nothing where the program
 * runs, else what failed and with which error: two numbers of 32 bits, little-endian.
 */
#include "base.h"

#define MNT_DETACH 2
#define MAX_GROUPS 65536

enum { USER = 1, PROGRAM = 2 };

static u32 groups[MAX_GROUPS];

/* The number that `*text` begins with; `*text` is then what follows it. */
static u32 number(const char **text) {
  u32 n = 0;
  for (; **text >= '0' && **text <= '9'; (*text)++) n = n * 10 + (u32)(**text - '0');
  return n;
}

__attribute__((used, noreturn)) void run(long *stack) {
  char **argv = (char **)(stack + 1), **envp = argv + stack[0] + 1;
  if (stack[0] < 6) leave(126);
  const char *uid = argv[2], *gid = argv[3], *list = argv[4];
  u32 count = 0;
  while (*list && count < MAX_GROUPS) {
    groups[count++] = number(&list);
    if (*list) list++;
  }
  /* At a reboot nobody reads it. */
  long verdict = call(SYS_openat, AT_FDCWD, argv[1], O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0);
  /* Each is a mount of its own on an empty file: none is needed any more. */
  for (int i = 0; i < 2; i++) {
    call(SYS_umount2, argv[i], MNT_DETACH, 0, 0);
    call(SYS_unlinkat, AT_FDCWD, argv[i], 0, 0);
  }
  refresh();
  u32 failed[2] = {USER, 0};
  const char *what = "cannot become the user for";
  long error = -call(SYS_setgroups, count, groups, 0, 0);
  if (!error) error = -call(SYS_setgid, number(&gid), 0, 0, 0);
  if (!error) error = -call(SYS_setuid, number(&uid), 0, 0, 0);
  if (!error) {
    failed[0] = PROGRAM, what = "cannot run";
    error = execute(argv + 5, envp);
  }
  failed[1] = (u32)error;
  call(SYS_write, verdict, failed, sizeof failed, 0);
  complain("init", what, argv[5], error);
  leave(error == ENOENT ? 127 : 126);
  __builtin_unreachable();
}
