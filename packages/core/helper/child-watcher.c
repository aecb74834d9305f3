/*
 * Tells a process of Node when its children end: posix_spawn(3) leaves that to SIGCHLD, which Node gives only to its main
 * thread, and Node cannot wait for a pidfd without a thread that does nothing else.
 *
 * One static executable without a libc. Nobody but the process at the other end of its socket talks to it, and it does
 * not reap: a process that has ended keeps its number until that process, its parent, has asked for its status. It ends
 * with that process. If it is killed, another one takes the same children.
 *
 * Protocol, all numbers 32 bits, little-endian:
 *   process → watcher:   pid
 *   watcher → process:   pid, 0: it has ended | pid, errno: it cannot be watched
 */
#include "../../lxc/helper/base.h"

#if defined(__x86_64__)
enum { SYS_epoll_create1 = 291, SYS_epoll_ctl = 233, SYS_epoll_pwait = 281 };
#else
enum { SYS_epoll_create1 = 20, SYS_epoll_ctl = 21, SYS_epoll_pwait = 22 };
#endif

#define CONTROL 3

enum { EPOLL_CTL_ADD = 1, EPOLLIN = 1, EVENTS = 64, RLIMIT_NOFILE = 7, PR_SET_NAME = 15 };

/* epoll_event(3type): packed on x86-64 alone. */
struct event {
  u32 events;
  u32 pid;
  int fd;
}
#if defined(__x86_64__)
__attribute__((packed));
#else
__attribute__((aligned(8)));
#endif

static void tell(u32 pid, long error) {
  u32 frame[2] = {pid, (u32)error};
  call(SYS_write, CONTROL, frame, sizeof frame, 0);
}

static long watch(long epoll, int fd, u32 pid) {
  struct event event = {EPOLLIN, pid, fd};
  return call(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, fd, &event);
}

/* Watches the children whose numbers have come. Returns false at the end of the file. */
static int take(long epoll) {
  u32 pids[EVENTS];
  char *bytes = (char *)pids;
  long got = call(SYS_read, CONTROL, bytes, sizeof pids, 0);
  if (got == -EINTR) return 1;
  if (got <= 0) return 0;
  while (got % (long)sizeof *pids) {
    long more = call(SYS_read, CONTROL, bytes + got, sizeof *pids - got % sizeof *pids, 0);
    if (more <= 0 && more != -EINTR) return 0;
    if (more > 0) got += more;
  }
  for (long i = 0; i < got / (long)sizeof *pids; i++) {
    long fd = call(SYS_pidfd_open, pids[i], 0, 0, 0);
    long error = fd < 0 ? -fd : -watch(epoll, (int)fd, pids[i]);
    if (!error) continue;
    if (fd >= 0) call(SYS_close, fd, 0, 0, 0);
    tell(pids[i], error);
  }
  return 1;
}

__attribute__((used, noreturn)) void run(long *stack) {
  (void)stack;
  /* A child of its own stays, so that nobody has to reap it. It belongs to no terminal and to no group of processes. */
  if (call(SYS_clone, SIGCHLD, 0, 0, 0) != 0) leave(0);
  call(SYS_setsid, 0, 0, 0, 0);
  call(SYS_prctl, PR_SET_NAME, "pileus-watch", 0, 0);
  u64 ignore[4] = {1, 0, 0, 0};
  call(SYS_rt_sigaction, SIGPIPE, ignore, 0, 8);
  call(SYS_close_range, CONTROL + 1, ~0u, 0, 0);
  u64 limit[2];
  if (call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, limit) == 0) limit[0] = limit[1], call(SYS_prlimit64, 0, RLIMIT_NOFILE, limit, 0);
  long epoll = call(SYS_epoll_create1, O_CLOEXEC, 0, 0, 0);
  if (epoll < 0 || watch(epoll, CONTROL, 0) < 0) leave(1);
  for (;;) {
    struct event events[EVENTS];
    long count = call6(SYS_epoll_pwait, epoll, (long)events, EVENTS, -1, 0, 0);
    for (long i = 0; i < count; i++) {
      if (events[i].fd == CONTROL) {
        if (!take(epoll)) leave(0);
        continue;
      }
      call(SYS_close, events[i].fd, 0, 0, 0);
      tell(events[i].pid, 0);
    }
  }
}
