/* The children of this process, and what they leave to it: prctl(2), PR_SET_CHILD_SUBREAPER. Needs calls.h. */

/*
 * Kills each child, or reaps the children that have ended: the program itself, unless it is `spared`, and orphaned
 * processes, which become children of a child subreaper. proc(5): the list is complete unless a child ends meanwhile, and then
 * there is a SIGCHLD.
 */
static int each_child(int kill, int spared) {
  long list = call(SYS_openat, AT_FDCWD, "/proc/thread-self/children", O_CLOEXEC, 0);
  if (list < 0) return 0;
  char text[4096];
  long pid = 0, n;
  while ((n = call(SYS_read, list, text, sizeof text, 0)) > 0)
    for (long i = 0; i < n; i++) {
      if (text[i] >= '0' && text[i] <= '9') pid = pid * 10 + text[i] - '0';
      else {
        if (pid && kill) call(SYS_kill, pid, SIGKILL, 0, 0);
        else if (pid && pid != spared) call(SYS_wait4, pid, 0, WNOHANG | WALL, 0);
        pid = 0;
      }
    }
  call(SYS_close, list, 0, 0, 0);
  return 1;
}

/* Kills and reaps every child and everything that it started: in the end all of it is a child of this process. */
static void sweep(void) {
  while (each_child(1, 0)) {
    long reaped = call(SYS_wait4, -1, 0, WALL, 0);
    if (reaped < 0 && reaped != -EINTR) return;
    while (call(SYS_wait4, -1, 0, WNOHANG | WALL, 0) > 0);
  }
}
