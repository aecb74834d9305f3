/* The streams of the program: opened before it starts, read and written while it runs, with a history for readers. */
#define RING 65536

static struct {
  u64 end;
  char bytes[RING];
} rings[2];

/* Offset of the oldest byte that is still there. */
static u64 oldest(int stream) {
  return rings[stream].end > RING ? rings[stream].end - RING : 0;
}

static void remember(int stream, const char *bytes, u64 length) {
  for (u64 i = 0; i < length;) {
    u64 at = rings[stream].end % RING, n = RING - at < length - i ? RING - at : length - i;
    copy(rings[stream].bytes + at, bytes + i, n);
    rings[stream].end += n, i += n;
  }
}

/* Copies up to `length` bytes from an offset on; returns how many. */
static u64 recall(int stream, u64 offset, char *to, u64 length) {
  u64 n = rings[stream].end - offset < length ? rings[stream].end - offset : length;
  for (u64 i = 0; i < n;) {
    u64 at = (offset + i) % RING, part = RING - at < n - i ? RING - at : n - i;
    copy(to + i, rings[stream].bytes + at, part);
    i += part;
  }
  return n;
}

/* A descriptor at its place in the table of hold.h. */
static void place(long fd, int where) {
  call(SYS_dup3, fd, where, O_CLOEXEC, 0);
  call(SYS_close, fd, 0, 0, 0);
}

/* A program that opens its /dev/stdin or /dev/stdout again may be another user by then. */
enum { FOR_INPUT = 0644, FOR_OUTPUT = 0622 };

static void set_owner(long fd, int mode) {
  call(SYS_fchmod, fd, mode, 0, 0);
  if (config.owned) call(SYS_fchown, fd, config.uid, config.gid, 0);
}

/* Both ends of a pipe are one file. */
static void set_owners(u32 uid, u32 gid) {
  config.owned = 1, config.uid = uid, config.gid = gid;
  if (config.terminal) return;
  for (int stream = 0; stream < 2; stream++) set_owner(FROM_OUTPUT + stream, FOR_OUTPUT);
  if (config.input) set_owner(TO_PROGRAM, FOR_INPUT);
}

static void resize_terminal(u32 columns, u32 rows) {
  unsigned short size[4] = {(unsigned short)rows, (unsigned short)columns, 0, 0};
  call(SYS_ioctl, TO_PROGRAM, TIOCSWINSZ, size, 0);
}

static void own_terminal(int end) {
  call(SYS_fchmod, end, 0620, 0, 0);
  if (config.owned) call(SYS_fchown, end, config.uid, config.gid, 0);
}

/* The kernel's struct termios: asm-generic/termbits.h. */
struct settings {
  u32 input, output, control, local;
  unsigned char line, characters[19];
};

/* tty_std_termios of drivers/tty/tty_io.c, with the control modes of drivers/tty/pty.c. */
static const struct settings new_terminal = {
  02400 /* ICRNL IXON */, 5 /* OPOST ONLCR */, 0277 /* B38400 CS8 CREAD */, 0105073 /* ISIG ICANON ECHO ECHOE ECHOK ECHOCTL ECHOKE IEXTEN */,
  0, {3, 034, 0177, 025, 4, 0, 1, 0, 021, 023, 032, 0, 022, 017, 027, 026},
};

/*
 * Each start of a system finds its console as a new one is, whatever the one before has left: its owner, line discipline
 * and settings, neither locked nor exclusive nor stopped, and without what was typed and not read. Its size stays.
 * termios(3), ioctl_tty(2).
 */
static void reset_terminal(void) {
  static const struct settings unlocked;
  int discipline = 0;
  long end = call(SYS_ioctl, TO_PROGRAM, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
  if (end < 0) return;
  own_terminal((int)end);
  call(SYS_ioctl, end, TIOCNXCL, 0, 0);
  call(SYS_ioctl, end, TIOCGETD, &discipline, 0);
  /* To set the one that it has would wait for whoever reads. */
  if (discipline) discipline = 0, call(SYS_ioctl, end, TIOCSETD, &discipline, 0);
  call(SYS_ioctl, end, TIOCSLCKTRMIOS, &unlocked, 0);
  call(SYS_ioctl, end, TCSETS, &new_terminal, 0);
  /* Output that somebody stopped by typing goes on only after a stop by this call. */
  call(SYS_ioctl, end, TCXONC, TCOOFF, 0);
  call(SYS_ioctl, end, TCXONC, TCOON, 0);
  call(SYS_ioctl, end, TCFLSH, TCIFLUSH, 0);
  call(SYS_close, end, 0, 0, 0);
}

static long open_terminal_pair(int *ends) {
  int unlocked = 0;
  int master = lift(call(SYS_openat, AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0));
  if (master < 0) return -master;
  call(SYS_ioctl, master, TIOCSPTLCK, &unlocked, 0);
  int slave = lift(call(SYS_ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC, 0));
  if (slave < 0) return -slave;
  own_terminal(slave);
  place(master, TO_PROGRAM);
  resize_terminal(config.columns, config.rows);
  ends[0] = ends[1] = ends[2] = slave;
  return 0;
}

/* Opens the streams. `ends` are the program's: input, output, error. */
static long open_streams(int *ends) {
  int pipe[2];
  if (config.terminal) return open_terminal_pair(ends);
  for (int stream = 0; stream < 2; stream++) {
    long error = lift_both(call(SYS_pipe2, pipe, O_CLOEXEC, 0, 0), pipe);
    if (error) return error;
    set_owner(pipe[1], FOR_OUTPUT);
    call(SYS_fcntl, pipe[0], F_SETFL, O_NONBLOCK, 0);
    ends[stream + 1] = pipe[1];
    place(pipe[0], FROM_OUTPUT + stream);
  }
  if (!config.input) {
    ends[0] = lift(call(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0));
    return ends[0] < 0 ? -ends[0] : 0;
  }
  long error = lift_both(call(SYS_pipe2, pipe, O_CLOEXEC, 0, 0), pipe);
  if (error) return error;
  set_owner(pipe[0], FOR_INPUT);
  call(SYS_fcntl, pipe[1], F_SETFL, O_WRONLY | O_NONBLOCK, 0);
  ends[0] = pipe[0];
  place(pipe[1], TO_PROGRAM);
  return 0;
}

/* Where a stream is read; -1 when it has ended. */
static int sources[2] = {-1, -1};

/*
 * A program may print byte by byte, as the serial port of a machine does. After a short piece, what comes within a
 * millisecond is left to gather, which spares both sides a wake-up for each byte.
 */
#define SHORT 1024
#define GATHER 1000000ul
static u64 gathers[2];

static void find_sources(void) {
  for (int stream = 0; stream < 2; stream++) {
    int fd = config.terminal ? TO_PROGRAM : FROM_OUTPUT + stream;
    if (stream == 0 || !config.terminal) sources[stream] = call(SYS_fcntl, fd, F_GETFD, 0, 0) < 0 ? -1 : fd;
  }
}

/* Reads once; returns false when there was nothing. */
static int take_stream(int stream) {
  static char bytes[16384];
  if (sources[stream] < 0) return 0;
  long n = call(SYS_read, sources[stream], bytes, sizeof bytes, 0);
  if (n > 0) {
    gathers[stream] = n < SHORT ? nanoseconds(CLOCK_MONOTONIC) + GATHER : 0;
    remember(stream, bytes, (u64)n);
    log_bytes(stream, bytes, (u64)n);
    return 1;
  }
  if (n == -EAGAIN || n == -EINTR) return 0;
  sources[stream] = -1;
  return 0;
}

/* Everything that was printed before this call: no pipe or terminal holds more than a mebibyte. */
static void take_all(void) {
  for (int stream = 0; stream < 2; stream++)
    for (int i = 0; i < 256 && take_stream(stream); i++);
}
