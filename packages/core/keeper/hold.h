/* The holder of a plain program: see holder.h. */
#include "holder.h"

/* In the child: becomes the program. Its descriptors 0, 1 and 2 are in place. */
__attribute__((noreturn)) static void become_program(int failure) {
  set_defaults();
  failure = (int)call(SYS_fcntl, failure, F_DUPFD_CLOEXEC, HANDED + config.handed, 0);
  for (u32 i = 0; i < config.handed; i++) call(SYS_dup3, HANDED + i, 3 + i, 0, 0);
  call(SYS_setsid, 0, 0, 0, 0);
  if (config.terminal) call(SYS_ioctl, 0, TIOCSCTTY, 0, 0);
  u32 failed[2] = {STEP_FOLDER, (u32)-call(SYS_chdir, config.folder, 0, 0, 0)};
  if (!failed[1]) failed[0] = STEP_RUN, failed[1] = (u32)execute(config.argv, config.envp);
  call(SYS_write, failure, failed, sizeof failed, 0);
  leave(failed[1] == ENOENT ? 127 : 126);
  __builtin_unreachable();
}

/* Runs a plain program to its end. Descriptors 0, 1 and 2 are the program's. */
__attribute__((noreturn)) static void hold(void) {
  int failure[2];
  struct held report = {HELD_FAILED, STEP_RUN, 0, 0, 0, 0};
  call(SYS_prctl, PR_SET_NAME, "pileus-holder", 0, 0);
  /* What the program leaves behind is reaped here, and counts into its processor time. */
  call(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0);
  u64 child = 1ul << (SIGCHLD - 1);
  call(SYS_rt_sigprocmask, SIG_BLOCK, &child, 0, 8);
  long children = call(SYS_signalfd4, -1, &child, 8, O_CLOEXEC | O_NONBLOCK);
  report.b = (u32)(children < 0 ? -children : -call(SYS_pipe2, failure, O_CLOEXEC, 0, 0));
  long pid = report.b ? -1 : call(SYS_clone, SIGCHLD, 0, 0, 0);
  if (pid == 0) become_program(failure[1]);
  if (pid > 0) {
    u32 failed[2];
    call(SYS_close, failure[1], 0, 0, 0);
    call(SYS_close_range, HANDED, ~0u, 0, 0);
    for (int fd = 0; fd < 3; fd++) call(SYS_close, fd, 0, 0, 0);
    if (read_all(failure[0], failed, sizeof failed)) pid = -1, report.a = failed[0], report.b = failed[1];
    call(SYS_close, failure[0], 0, 0, 0);
  } else if (!report.b) report.b = (u32)-pid;
  if (pid < 0) {
    tell(&report);
    leave(1);
  }
  struct held started = {HELD_STARTED, (u32)pid, 0, 0, 0, 0};
  tell(&started);
  for (;;) {
    struct pollfd fds[] = {{(int)children, POLLIN, 0}, {CHANNEL, POLLIN, 0}};
    /* getrusage(2): struct rusage begins with the user's and the system's time, as seconds and microseconds. */
    u64 usage[18];
    u32 news[32];
    int status;
    long ended;
    while ((ended = call(SYS_wait4, -1, &status, WNOHANG | WALL, usage)) > 0)
      if (ended == pid) {
        report_end((u32)pid, (u32)status, (usage[0] + usage[2]) * 1000000000ul + (usage[1] + usage[3]) * 1000, 0);
        leave(0);
      }
    if (ended == -ECHILD) leave(1);
    if (call6(SYS_ppoll, (long)fds, 2, 0, 0, 8, 0) < 0) continue;
    while (call(SYS_read, children, news, sizeof news, 0) > 0);
    if (fds[1].revents && call6(SYS_recvfrom, CHANNEL, (long)news, sizeof news, MSG_DONTWAIT, 0, 0) == sizeof *news && *news == CLOSE_INPUT) call(SYS_close, TO_PROGRAM, 0, 0, 0);
  }
}
