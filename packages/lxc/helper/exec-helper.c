/*
 * Starts the programs of `exec` in a container. lxc-attach(1) runs it inside once; it then stays and takes a connection
 * for each program, because entering a container takes ten times as long as starting a program. lxc-attach itself cannot
 * set a working directory or supplementary groups, cannot signal a program, and cannot distinguish "exited with 143" from
 * "killed by 15".
 *
 * One static executable without a libc, which the container gets as a sealed descriptor. It needs nothing inside except
 * /proc, and /dev/pts for a terminal. It limits itself to the rights of the container before the first program, and trusts
 * what the host sends over CONTROL. Nobody inside can read or trace it, because nobody inside may read its executable:
 * ptrace(2), PR_SET_DUMPABLE(2const).
 *
 * Protocol, all numbers 32 bits, little-endian:
 *   host → helper, first: a confinement (confine.h), and the instructions of its filter.
 *   host → helper:        a number, with the connection of one program (SCM_RIGHTS).
 *   helper → host:        kind, value        TAKEN number: a process serves the program | REFUSED number: there is no
 *                         room for one | BROKEN errno: the helper cannot confine itself, and ends.
 *   At the end of the file the helper ends as soon as no program is served any more.
 *
 * The connection of a program:
 *   host → helper, first: 0, with descriptors 0, 1 and 2 of the program.
 *   host → helper, once:  length of the rest, flags, uid, gid, columns, rows, count of groups, count of arguments,
 *                         count of variables, the groups, then as strings with a NUL: cwd, arguments, variables.
 *   host → helper:        kind, value        SIGNAL number, to the program's group | RESIZE columns << 16 | rows.
 *                         SIGNAL 9, or the end of the file: kill the program and everything that it started;
 *                         one that has not started is not started.
 *                         After ENDED, a SIGNAL goes to the rest of the group, and the end of the file kills nothing.
 *   helper → host:        kind, value        STARTED pid | FAILED exit code | ENDED wait status
 *                         CROWDED errno      there is no room for the program's process.
 *
 * A process of its own serves each program. After ENDED it stays as long as a process of the program's group is its
 * child, or until the end of the file. It does not reap the program before, so that no other process or group gets its
 * number. What a program has left in the background becomes a child of the helper that stays, which reaps it.
 */
#include "../../core/keeper/calls.h"
#include "confine.h"
#include "terminal.h"
#include "program.h"

#define HELPER 4

enum { TAKEN = 1, REFUSED = 2, BROKEN = 3 };
enum { FD_CLOEXEC = 1, CAP_CHOWN = 0, CAP_SETGID = 6, CAP_SETUID = 7 };

/* What it needs to start programs of any user on terminals of theirs, and to kill them. */
#define OWN_RIGHTS (1u << CAP_CHOWN | 1u << CAP_KILL | 1u << CAP_SETGID | 1u << CAP_SETUID)

static struct confinement confinement;
static u64 filter[MAX_INSTRUCTIONS];

/* Without the filter in force nothing is started. */
static void confine_self(void) {
  if (!read_all(CONTROL, &confinement, sizeof confinement) || confinement.instructions > MAX_INSTRUCTIONS) leave(126);
  if (!read_all(CONTROL, filter, (u64)confinement.instructions * sizeof *filter)) leave(126);
  long error = confine(&confinement, filter);
  if (!error) error = reduce(&confinement, OWN_RIGHTS);
  if (!error) return;
  send_frame(BROKEN, (u32)error);
  leave(126);
}

/*
 * Gives a program's connection to a process of its own. That process reports it: the host sends a connection that nobody
 * has taken to the next helper.
 */
static void take(u32 number, int connection, int children) {
  long pid = call(SYS_clone, SIGCHLD, 0, 0, 0);
  if (pid == 0) {
    send_frame(TAKEN, number);
    call(SYS_dup3, connection, CONTROL, O_CLOEXEC, 0);
    call(SYS_close, connection, 0, 0, 0);
    call(SYS_close, children, 0, 0, 0);
    serve_program(&confinement);
  }
  call(SYS_close, connection, 0, 0, 0);
  if (pid < 0) send_frame(REFUSED, number);
}

/* The processes that serve programs are the only children in the helper's own group. */
static int serves_programs(void) {
  return has_group(0);
}

__attribute__((used, noreturn)) void run(long *stack) {
  /* A reader that has gone must not end the helper before the program: the program's end must still be reported. */
  u64 ignore[4] = {1, 0, 0, 0};
  call(SYS_rt_sigaction, SIGPIPE, ignore, 0, 8);
  /* With an inherited, ignored SIGCHLD, children would be reaped automatically. */
  u64 usual[4] = {0, 0, 0, 0}, child = 1ul << (SIGCHLD - 1);
  call(SYS_rt_sigaction, SIGCHLD, usual, 0, 8);
  call(SYS_rt_sigprocmask, SIG_BLOCK, &child, 0, 8);
  /* PID 1 may not reap, so what programs leave behind becomes a child of the helper. */
  call(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0);
  call(SYS_fcntl, CONTROL, F_SETFD, FD_CLOEXEC, 0);
  call(SYS_close_range, HELPER, ~0u, 0, 0);
  call(SYS_setsid, 0, 0, 0, 0);
  rename_process(stack, "pileus-exec");
  confine_self();
  long children = call(SYS_signalfd4, -1, &child, 8, O_CLOEXEC | O_NONBLOCK);
  if (children < 0) leave(126);
  int control = CONTROL;
  for (;;) {
    if (control < 0 && !serves_programs()) leave(0);
    struct pollfd fds[] = {{control, POLLIN, 0}, {(int)children, POLLIN, 0}};
    if (call6(SYS_ppoll, (long)fds, 2, 0, 0, 8, 0) < 0) continue;
    if (fds[1].revents) {
      char news[1024];
      while (call(SYS_read, children, news, sizeof news, 0) > 0);
      while (call(SYS_wait4, -1, 0, WNOHANG | WALL, 0) > 0);
    }
    if (fds[0].revents) {
      u32 number;
      int connection;
      long received = receive(&number, &connection, 1);
      if (received > 0) take(number, connection, (int)children);
      else if (received != -EINTR) control = -1;
    }
  }
}
