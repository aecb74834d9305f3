/* How the run ended: run/exit. */

static struct {
  int folder, file, record;
  u64 started, cpu;
  long oom_base, oom_kills, memory_peak, cpu_cgroup;
  /* Whether `status` of run_state is known, of which program, and whether nothing ever ran. */
  u32 known, failed, pid;
} ending = {.file = -1, .record = -1, .oom_base = -1, .oom_kills = -1, .memory_peak = -1, .cpu_cgroup = -1};

#define EXIT_SPACE 4096

/* A file with reserved space, so that it can be written on a full disk. Returns the descriptor or a negative errno. */
static long reserve(const char *name, int flags) {
  int file = lift(call(SYS_openat, ending.folder, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, 0600));
  if (file < 0) return file;
  long error = call(SYS_fallocate, file, FALLOC_FL_KEEP_SIZE, 0, EXIT_SPACE);
  if (error >= 0 || error == -EOPNOTSUPP) return file;
  call(SYS_close, file, 0, 0, 0);
  return error;
}

static long oom_kills(void) {
  long sum = -1;
  for (u32 i = 0; i < config.oom_files; i++) {
    long n = read_number(config.oom_kills[i], "oom_kill");
    if (n >= 0) sum = (sum < 0 ? 0 : sum) + n;
  }
  return sum;
}

/* At the start of the program. */
static void begin_account(void) {
  if (!ending.started) ending.started = nanoseconds(CLOCK_REALTIME) / 1000000, ending.oom_base = oom_kills();
}

/* Reads the cgroups right after the end, while they are still there. */
static void account(void) {
  long n = oom_kills();
  if (n >= 0 && ending.oom_base >= 0) ending.oom_kills = n - ending.oom_base;
  if (config.memory_peak && (n = read_number(config.memory_peak, "")) >= 0) ending.memory_peak = n;
  if (config.cpu_nanoseconds && (n = read_number(config.cpu_nanoseconds, "")) >= 0) ending.cpu_cgroup = n;
  if (config.cpu_microseconds && (n = read_number(config.cpu_microseconds, "usage_usec")) >= 0) ending.cpu_cgroup = n * 1000;
}

/* A clock tick in nanoseconds: USER_HZ is 100. */
#define TICK 10000000l

/* The time namespace of every process since the boot: TIME_NS_INIT_INO of linux/nsfs.h. */
#define INITIAL_TIME "time:[4026531834]"

static int is_same(const char *one, const char *other) {
  while (*one && *one == *other) one++, other++;
  return *one == *other;
}

/*
 * How far the clock of the start times in /proc is ahead of the host's in our time namespace, in nanoseconds:
 * time_namespaces(7). Returns false when that cannot be known: the offsets in the file are those of the namespace of our
 * children. Its second line is `boottime SECONDS NANOSECONDS`.
 */
static int boottime_ahead(long *ahead) {
  char own[32] = "", children[32] = "", offsets[256];
  *ahead = 0;
  call(SYS_readlinkat, AT_FDCWD, "/proc/self/ns/time", own, sizeof own - 1);
  if (is_same(own, INITIAL_TIME)) return 1;
  call(SYS_readlinkat, AT_FDCWD, "/proc/self/ns/time_for_children", children, sizeof children - 1);
  if (!is_same(own, children)) return 0;
  long file = call(SYS_openat, AT_FDCWD, "/proc/self/timens_offsets", O_RDONLY | O_CLOEXEC, 0);
  /* A kernel without time namespaces. */
  if (file < 0) return file == -ENOENT;
  long length = call(SYS_read, file, offsets, sizeof offsets - 1, 0), at = 0, found[2] = {0, 0};
  call(SYS_close, file, 0, 0, 0);
  if (length <= 0) return 0;
  offsets[length] = 0;
  while (at < length && offsets[at] != '\n') at++;
  for (int i = 0; i < 2; i++) {
    while (at < length && offsets[at] != ' ') at++;
    while (offsets[at] == ' ') at++;
    long sign = offsets[at] == '-' ? at++, -1 : 1;
    for (; offsets[at] >= '0' && offsets[at] <= '9'; at++) found[i] = found[i] * 10 + (offsets[at] - '0');
    found[i] *= sign;
  }
  *ahead = found[0] * 1000000000 + found[1];
  return 1;
}

/*
 * When this process started, in clock ticks after boot, of the host's clock and at most one late:
 * packages/core/src/system/process-identity.ts. 0 if that cannot be known.
 */
static u64 start_time(void) {
  char stat[1024];
  long ahead, file = call(SYS_openat, AT_FDCWD, "/proc/self/stat", O_RDONLY | O_CLOEXEC, 0);
  if (file < 0) return 0;
  long length = call(SYS_read, file, stat, sizeof stat - 1, 0), at = length;
  call(SYS_close, file, 0, 0, 0);
  if (length <= 0 || !boottime_ahead(&ahead)) return 0;
  stat[length] = 0;
  while (at && stat[at] != ')') at--;
  for (int field = 2; field < 22 && at < length; at++) field += stat[at] == ' ';
  u64 n = 0;
  for (; stat[at] >= '0' && stat[at] <= '9'; at++) n = n * 10 + (u64)(stat[at] - '0');
  return (u64)(((long)(n * TICK) - ahead + TICK - 1) / TICK);
}

/*
 * For other processes, in 64 bytes: the pid of the holder, how often it started, and the pid of the program, for a keeper
 * that takes over; the pid and the start time of the keeper, by which they know whether it lives.
 */
static void record_run(void) {
  char line[64];
  struct text t = {line, line + sizeof line - 1};
  add_number(&t, run_state.holder), add(&t, " "), add_number(&t, run_state.boots), add(&t, " "), add_number(&t, run_state.program);
  add(&t, " "), add_number(&t, (u64)call(SYS_getpid, 0, 0, 0, 0)), add(&t, " "), add_number(&t, start_time());
  while (t.at < t.end) *t.at++ = ' ';
  *t.at = '\n';
  call(SYS_pwrite64, ending.record, line, sizeof line, 0);
}

static void add_member(struct text *t, const char *name, u64 n) {
  add(t, ",\""), add(t, name), add(t, "\":"), add_number(t, n);
}

static void write_exit(void) {
  struct text t = {exit_text, exit_text + sizeof exit_text - 2};
  add(&t, "{\"version\":1");
  add_member(&t, "pid", run_state.program);
  if (ending.known) add_member(&t, "status", run_state.status);
  if (ending.failed) add(&t, ",\"failed\":true");
  if (ending.oom_kills >= 0) add_member(&t, "oomKills", (u64)ending.oom_kills);
  if (ending.started) add_member(&t, "startedAt", ending.started);
  add_member(&t, "endedAt", nanoseconds(CLOCK_REALTIME) / 1000000);
  if (ending.cpu_cgroup >= 0 || ending.cpu) add_member(&t, "cpuNanoseconds", ending.cpu_cgroup >= 0 ? (u64)ending.cpu_cgroup : ending.cpu);
  if (ending.memory_peak >= 0) add_member(&t, "memoryPeak", (u64)ending.memory_peak);
  add_member(&t, "lostEntries", output.all_lost);
  add_member(&t, "lostBytes", output.all_lost_bytes);
  add_member(&t, "boots", run_state.boots);
  add(&t, "}");
  exit_length = (u32)(t.at - exit_text);
  *t.at++ = '\n';
  call(SYS_pwrite64, ending.file, exit_text, t.at - exit_text, 0);
  call(SYS_renameat, ending.folder, "exit.new", ending.folder, "exit");
}

/* The status that the holder has written, for a keeper that did not see the end. */
static void read_status(void) {
  char line[65];
  long n = call(SYS_pread64, STATUS, line, 64, 0);
  if (n != 64 || *line == ' ') return;
  line[64] = 0;
  u64 fields[3] = {0, 0, 0};
  const char *c = line;
  for (int i = 0; i < 3; i++, c++)
    for (; *c >= '0' && *c <= '9'; c++) fields[i] = fields[i] * 10 + (u64)(*c - '0');
  run_state.program = (u32)fields[0], run_state.status = (u32)fields[1], ending.cpu = fields[2], ending.known = 1;
}
