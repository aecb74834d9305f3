/*
 * The holder: the parent of what runs. It holds copies of the keeper's descriptors and waits. It tells the keeper over
 * CHANNEL, in messages (SOCK_SEQPACKET), and writes how the program ended to STATUS itself: "pid status nanoseconds",
 * in 64 bytes. The starter of a container is another program that does the same.
 */
enum {
  CHANNEL = 10,  /* the holder's end */
  KEEPER_END,    /* the keeper's end, which a new keeper takes */
  STATUS,        /* run/status */
  TO_PROGRAM,    /* the write end of the standard input, or the master of the terminal; or nothing */
  FROM_OUTPUT,   /* the read end of the standard output; or nothing */
  FROM_ERROR,    /* the read end of the standard error; or nothing */
  ANNOUNCE,      /* the socket to which each PID 1 of a container comes; or nothing */
  PROGRAM,       /* the file to execute; or nothing */
  ERRORS,        /* the read end of what a starter prints; or nothing */
  FIRST_FREE,
  /* The three streams of the program, for a starter: its own are /dev/null and the pipe of its errors. */
  STREAMS = FIRST_FREE,
  /* What is handed over to a plain program, until it starts. */
  HANDED = 32,
};

enum { HELD_STARTED = 1, HELD_FAILED, HELD_ENDED };
enum { STEP_CGROUP = 1, STEP_RESERVE, STEP_STREAMS, STEP_FOLDER, STEP_RUN, STEP_START, STEP_INIT, STEP_NAMESPACE, STEP_IDMAP, STEP_SET_UP };

struct held {
  /* STARTED: pid. FAILED: step, errno; of STEP_SET_UP the wait status of PID 1. ENDED: pid, wait status, whether another follows. */
  u32 kind, a, b, c;
  u64 cpu, reserved;
};

/* From the keeper, as one number: close the program's input; what ended has been looked at; start, now that it is on record. */
enum { CLOSE_INPUT = 1, SEEN = 2, GO_ON = 3 };

/* How long the holder waits for the keeper to read the cgroups of a program that has ended, in nanoseconds. */
#define PATIENCE 200000000ul

/* The same file at a number behind the table above, so that putting one in its place closes no other. */
static int lift(long fd) {
  if (fd < 0 || fd >= FIRST_FREE) return (int)fd;
  long lifted = call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, FIRST_FREE, 0);
  call(SYS_close, fd, 0, 0, 0);
  return (int)lifted;
}

/* The ends of a pipe, or of a channel. */
static long lift_both(long result, int *ends) {
  if (result < 0) return -result;
  ends[0] = lift(ends[0]), ends[1] = lift(ends[1]);
  return ends[0] < 0 ? -ends[0] : ends[1] < 0 ? -ends[1] : 0;
}

static void tell(const struct held *h) {
  call6(SYS_sendto, CHANNEL, (long)h, sizeof *h, MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
}

/* Nothing, if another program follows: that one's end is the end of the run. */
static void write_status(u32 pid, u32 status, u64 cpu, u32 rebooting) {
  char line[64];
  struct text t = {line, line + sizeof line - 1};
  if (!rebooting) add_number(&t, pid), add(&t, " "), add_number(&t, status), add(&t, " "), add_number(&t, cpu);
  while (t.at < t.end) *t.at++ = ' ';
  *t.at = '\n';
  call(SYS_pwrite64, STATUS, line, sizeof line, 0);
}

/* Records the end, tells the keeper, and waits until it has looked. */
static void report_end(u32 pid, u32 status, u64 cpu, u32 rebooting) {
  struct held end = {HELD_ENDED, pid, status, rebooting, cpu, 0};
  u32 answer;
  write_status(pid, status, cpu, rebooting);
  tell(&end);
  struct pollfd fds = {CHANNEL, POLLIN, 0};
  u64 wait[2] = {0, PATIENCE};
  while (call6(SYS_ppoll, (long)&fds, 1, (long)wait, 0, 8, 0) > 0)
    if (call6(SYS_recvfrom, CHANNEL, (long)&answer, sizeof answer, MSG_DONTWAIT, 0, 0) != sizeof answer || answer == SEEN) return;
}

