/* The settings that a program inherits from whatever started it, set to what it can rely on. */

#define ALL (~0ul)

enum { ENOSYS = 38, KEYCTL_JOIN_SESSION_KEYRING = 1 };

/*
 * getrlimit(2): the limits that the kernel gives to the first process, but, as with service managers, a higher hard
 * limit of open files.
 */
static const struct {
  u64 soft, hard;
} limits[] = {
  {ALL, ALL} /* CPU */, {ALL, ALL} /* FSIZE */, {ALL, ALL} /* DATA */, {8ul << 20, ALL} /* STACK */, {0, ALL} /* CORE */,
  {ALL, ALL} /* RSS */, {ALL, ALL} /* NPROC */, {1024, 1048576} /* NOFILE */, {8ul << 20, 8ul << 20} /* MEMLOCK */, {ALL, ALL} /* AS */,
  {ALL, ALL} /* LOCKS */, {ALL, ALL} /* SIGPENDING */, {819200, 819200} /* MSGQUEUE */, {0, 0} /* NICE */, {0, 0} /* RTPRIO */,
  {ALL, ALL} /* RTTIME */,
};

static u64 least(u64 a, u64 b) {
  return a < b ? a : b;
}

/*
 * Sets umask, signals, priority, processors, limits and OOM score to the usual values, and joins a session keyring of its
 * own. Returns the error of the keyring.
 */
static long set_usual(void) {
  set_defaults();
  u64 processors[128];
  for (int i = 0; i < 128; i++) processors[i] = ALL;
  u32 priority = 0;
  call(SYS_sched_setscheduler, 0, 0, &priority, 0);
  call(SYS_setpriority, 0, 0, 0, 0);
  call(SYS_sched_setaffinity, 0, sizeof processors, processors, 0);
  call(SYS_ioprio_set, 1, 0, 0, 0);
  long score = call(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0);
  if (score >= 0) call(SYS_write, score, "0", 1, 0), call(SYS_close, score, 0, 0, 0);
  for (u32 i = 0; i < sizeof limits / sizeof *limits; i++) {
    u64 wanted[2] = {limits[i].soft, limits[i].hard}, had[2];
    if (call(SYS_prlimit64, 0, i, wanted, had) >= 0) continue;
    /* A process that may not raise its hard limit keeps that limit. */
    if (call(SYS_prlimit64, 0, i, 0, had) < 0) continue;
    wanted[1] = least(limits[i].hard, had[1]), wanted[0] = least(limits[i].soft, wanted[1]);
    call(SYS_prlimit64, 0, i, wanted, 0);
  }
  /*
   * A new session keyring without a name. session-keyring(7): a program that inherits one has the rights of its possessor
   * to the keys in it, also as another user and in another user namespace. Without keyctl(2), the program has none either.
   */
  long refused = -call(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0);
  return refused > 0 && refused != ENOSYS && refused != EPERM ? refused : 0;
}
