/* The children of this process, and what they leave to it: prctl(2), PR_SET_CHILD_SUBREAPER. Needs calls.h. */

static void visit(long pid, int kill, int spared) {
  if (kill) call(SYS_kill, pid, SIGKILL, 0, 0);
  else if (pid != spared) call(SYS_wait4, pid, 0, WNOHANG | WALL, 0);
}

/* The number at the beginning of a text; 0 if there is none. */
static long number_in(const char *text) {
  long n = 0;
  for (; *text >= '0' && *text <= '9'; text++) n = n * 10 + *text - '0';
  return n;
}

/* 0 if the process has gone. proc_pid_stat(5): the parent is the second field behind the name, which may have any bytes. */
static long parent_of(const char *process) {
  char path[64], stat[1024];
  struct text t = {path, path + sizeof path - 1};
  add(&t, "/proc/"), add(&t, process), add(&t, "/stat"), *t.at = 0;
  long file = call(SYS_openat, AT_FDCWD, path, O_CLOEXEC, 0);
  if (file < 0) return 0;
  long length = call(SYS_read, file, stat, sizeof stat - 1, 0);
  call(SYS_close, file, 0, 0, 0);
  if (length < 0) return 0;
  stat[length] = 0;
  while (length && stat[length - 1] != ')') length--;
  return length && stat[length] ? number_in(stat + length + 3) : 0;
}

/* Asks every process for its parent: for a kernel without CONFIG_PROC_CHILDREN. */
static int each_process(int kill, int spared) {
  /* getdents64(2): ino, off, reclen, type and the name. */
  char entries[4096] __attribute__((aligned(8)));
  long own = call(SYS_getpid, 0, 0, 0, 0), n, folder = call(SYS_openat, AT_FDCWD, "/proc", O_CLOEXEC, 0);
  if (folder < 0) return 0;
  while ((n = call(SYS_getdents64, folder, entries, sizeof entries, 0)) > 0)
    for (long at = 0; at < n; at += *(unsigned short *)(entries + at + 16)) {
      const char *name = entries + at + 19;
      long pid = number_in(name);
      if (pid && parent_of(name) == own) visit(pid, kill, spared);
    }
  call(SYS_close, folder, 0, 0, 0);
  return 1;
}

/*
 * Kills each child, or reaps the children that have ended: the program itself, unless it is `spared`, and orphaned
 * processes, which become children of a child subreaper. proc(5): the list is complete unless a child ends meanwhile, and then
 * there is a SIGCHLD. Returns false if there is no /proc.
 */
static int each_child(int kill, int spared) {
  long list = call(SYS_openat, AT_FDCWD, "/proc/thread-self/children", O_CLOEXEC, 0);
  if (list < 0) return each_process(kill, spared);
  char text[4096];
  long pid = 0, n;
  while ((n = call(SYS_read, list, text, sizeof text, 0)) > 0)
    for (long i = 0; i < n; i++) {
      if (text[i] >= '0' && text[i] <= '9') pid = pid * 10 + text[i] - '0';
      else {
        if (pid) visit(pid, kill, spared);
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
