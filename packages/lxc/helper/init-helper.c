/*
 * The first step of a container's PID 1, executed as root of the container: it switches to the user, with the
 * supplementary groups that liblxc leaves out in a user namespace (start.c, do_start), then executes the program, and
 * reports a failure to the process that starts the container. It searches PATH as execvp(3) does, after the switch, so
 * that a program is looked up with the rights of its user.
 *
 * argv: own path, path of a socket. The helper's file ends with a confinement (confine.h) and its instructions, what to run
 * (struct orders), and the length of all that. The keeper of the run listens at the socket: the connection tells it the
 * pid, and its answer lets the helper go on (announce.h). The connection closes when the program is executed. If it cannot
 * be, the helper sends the failed step and the error: two numbers of 32 bits, little-endian.
 */
#include "base.h"
#include "confine.h"
#include "../../core/keeper/announce.h"

#define MNT_DETACH 2
#define PR_SET_DUMPABLE 4
#define WNOHANG 1
#define WALL 0x40000000
#define SIGTERM 15
enum { STREAMS = 19 };
enum { USER = 1, PROGRAM = 2, CONFINEMENT = 3, FOLDER = 4, CONSOLE = 5, ORDERS = 6 };
enum { EIO = 5, ENOMEM = 12, SEEK_END = 2, AF_UNIX = 1, SOCK_STREAM = 1, MSG_NOSIGNAL = 0x4000 };
/* MS_RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT and BIND. */
#define MAKE_READ_ONLY (1 | 2 | 4 | 8 | 32 | 4096)

/*
 * PROGRAM executes the program. REAPER stays PID 1 with the program as its child: it reaps every process, forwards signals
 * to the program and ends with it, with its exit code or with 128 plus its signal. IDLE has no program: it reaps, and ends
 * at SIGTERM.
 */
enum role { ROLE_PROGRAM, ROLE_REAPER, ROLE_IDLE };

/* src/init-order.ts encodes it. */
struct orders {
  /* `console`: 0: the streams are inherited at 19, 20 and 21 (packages/core/keeper/holder.h); 1: they are /dev/console. */
  u32 uid, gid, role, console, groups, arguments;
  /* The groups; then strings, each with a NUL: the working folder, the program and its arguments. */
  u32 list[];
};

static const struct confinement *rights;
static const u64 *filter;
static const struct orders *orders;
static const char *folder;
static char **program;

/* Finds all parts of what has been read, which has room behind it for the list of arguments. */
static long take_apart(char *bytes, u64 length) {
  rights = (const struct confinement *)bytes, filter = (const u64 *)(rights + 1);
  u64 at = sizeof *rights;
  if (length < at || rights->instructions > MAX_INSTRUCTIONS) return EIO;
  at += rights->instructions * 8ul, orders = (const struct orders *)(bytes + at);
  if (length < at + sizeof *orders || orders->groups > (length - at - sizeof *orders) / 4) return EIO;
  at += sizeof *orders + orders->groups * 4ul, folder = bytes + at;
  program = (char **)(bytes + ((length + 7) & ~7ul));
  u32 found = 0;
  if (length == at || bytes[length - 1]) return EIO;
  for (at += length_of(folder) + 1; at < length; at += length_of(bytes + at) + 1) program[found++] = bytes + at;
  return found == orders->arguments && (found || orders->role == ROLE_IDLE) ? 0 : EIO;
}

/* Reads the end of the helper's own file. */
static long read_orders(const char *path) {
  long file = call(SYS_openat, AT_FDCWD, path, O_CLOEXEC, 0);
  if (file < 0) return -file;
  u32 length = 0;
  call(SYS_lseek, file, -(long)sizeof length, SEEK_END, 0);
  long error = EIO;
  if (call(SYS_read, file, &length, sizeof length, 0) == sizeof length && length) {
    call(SYS_lseek, file, -(long)(length + sizeof length), SEEK_END, 0);
    /* An argument has at least one byte, so there are not more of them than bytes. */
    char *bytes = (char *)call6(SYS_mmap, 0, (long)(length * 9ul + 16), 3, 0x22, -1, 0);
    if ((u64)bytes > -4096ul) error = ENOMEM;
    else if (call(SYS_read, file, bytes, length, 0) == (long)length) error = take_apart(bytes, length);
  }
  call(SYS_close, file, 0, 0, 0);
  return error;
}

#define BIT(signal) (1ul << ((signal) - 1))
/*
 * All signals except those of a fault in PID 1 itself (ILL TRAP ABRT BUS FPE SEGV SYS) and those by which a terminal
 * stops it (TTIN TTOU).
 */
static const u64 forwarded = ~(BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(11) | BIT(31) | BIT(21) | BIT(22));

/* Reaps every ended process, and ends with `child`. */
static void reap(long child) {
  int status;
  long pid;
  while ((pid = call(SYS_wait4, -1, &status, WNOHANG | WALL, 0)) > 0)
    if (pid == child) leave(status & 0x7f ? 128 + (status & 0x7f) : (status >> 8) & 0xff);
}

/*
 * The main loop of PID 1 with its `child`, or with 0 for none. Its signals are blocked and stay blocked while it waits,
 * so that /proc shows that PID 1 is ready for them (proc_pid_status(5), SigBlk): sigtimedwait(2) would hide that.
 */
__attribute__((noreturn)) static void main_loop(long child) {
  /* signalfd(2): the first number of a read is the number of the signal. */
  u32 info[32];
  long signals = call(SYS_signalfd4, -1, &forwarded, 8, O_CLOEXEC);
  if (signals < 0) leave(126);
  for (;;) {
    long n = call(SYS_read, signals, info, sizeof info, 0);
    if (n == -EINTR) continue;
    if (n != sizeof info) leave(126);
    if (info[0] == SIGCHLD) reap(child);
    else if (child) call(SYS_kill, child, info[0], 0, 0);
    else if (info[0] == SIGTERM) leave(0);
  }
}

/* Reads one answer of the keeper. Returns false when the keeper is gone. */
static int hear(long connection, char *answer) {
  long n;
  while ((n = call(SYS_read, connection, answer, 1, 0)) == -EINTR);
  return n == 1;
}

/*
 * Connects to the keeper, and waits for its answer. If the keeper is gone, nobody answers before another has taken its
 * place: then PID 1 goes on without. Returns the connection, or a negative errno.
 */
static long announce(const char *path) {
  struct {
    unsigned short family;
    char path[108];
  } address = {AF_UNIX, {0}};
  u64 length = length_of(path);
  for (u64 i = 0; i < length && i < sizeof address.path - 1; i++) address.path[i] = path[i];
  for (;;) {
    long connection = call(SYS_socket, AF_UNIX, SOCK_STREAM | O_CLOEXEC, 0, 0);
    if (connection < 0) return connection;
    if (call(SYS_connect, connection, &address, sizeof address, 0) < 0) return connection;
    struct {
      int fd;
      short events, revents;
    } news = {(int)connection, 1, 0};
    u64 patience[2] = {2, 0};
    char answer, held = HELD;
    if (call6(SYS_ppoll, (long)&news, 1, (long)patience, 0, 8, 0) <= 0) return connection;
    int is_there = hear(connection, &answer);
    if (is_there && answer == HOLD) {
      call6(SYS_sendto, connection, (long)&held, 1, MSG_NOSIGNAL, 0, 0);
      is_there = hear(connection, &answer);
    }
    if (is_there) return connection;
    /* That keeper was killed. The next one is to know of this PID 1, too. */
    call(SYS_close, connection, 0, 0, 0);
  }
}

/* The terminal of the keeper (starter.c) as all three streams. It gets the controlling one of whoever asks for that. */
static long open_console(void) {
  long console = call(SYS_openat, AT_FDCWD, "/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
  if (console < 0) return -console;
  for (int fd = 0; fd < 3; fd++) call(SYS_dup3, console, fd, 0, 0);
  call(SYS_close, console, 0, 0, 0);
  return 0;
}

__attribute__((used, noreturn)) void run(long *stack) {
  char **argv = (char **)(stack + 1), **envp = argv + stack[0] + 1;
  if (stack[0] < 2) leave(126);
  long error = read_orders(argv[0]);
  if (!error && !orders->console)
    for (int fd = 0; fd < 3; fd++) call(SYS_dup3, STREAMS + fd, fd, 0, 0);
  call(SYS_close_range, 3, ~0u, 0, 0);
  long verdict = announce(argv[1]);
  /* Each is a separate mount on an empty file, and is no longer needed. */
  for (int i = 0; i < 2; i++) {
    call(SYS_umount2, argv[i], MNT_DETACH, 0, 0);
    call(SYS_unlinkat, AT_FDCWD, argv[i], 0, 0);
  }
  set_defaults();
  u32 failed[2] = {ORDERS, 0};
  const char *what = "cannot read the orders of";
  if (!error) failed[0] = CONSOLE, what = "cannot open the console of";
  if (!error && orders->console) error = open_console();
  if (!error) failed[0] = FOLDER, what = "cannot enter the working folder of";
  /* Not by liblxc, which still has folders of the host open; as root, because a user may start where it cannot go. */
  if (!error) error = enter(folder);
  if (!error) failed[0] = CONFINEMENT, what = "cannot confine";
  if (!error && rights->sealed) error = -call6(SYS_mount, 0, (long)"/proc/sys/net", 0, MAKE_READ_ONLY, 0, 0);
  if (!error) error = confine(rights, filter);
  if (!error) {
    failed[0] = USER, what = "cannot become the user for";
    error = -call(SYS_setgroups, orders->groups, orders->list, 0, 0);
  }
  if (!error) error = -call(SYS_setgid, orders->gid, 0, 0, 0);
  if (!error) error = -call(SYS_setuid, orders->uid, 0, 0, 0);
  if (!error) error = reduce(rights, 0);
  if (!error && orders->role != ROLE_PROGRAM) {
    /* Its descriptors still belong to the user: programs write to /proc/1/fd/1. */
    call(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0);
    call(SYS_rt_sigprocmask, SIG_BLOCK, &forwarded, 0, 8);
    long child = orders->role == ROLE_IDLE ? 0 : call(SYS_clone, SIGCHLD, 0, 0, 0);
    if (orders->role == ROLE_IDLE || child > 0) {
      /* The program's copy closes when the program is executed. */
      call(SYS_close, verdict, 0, 0, 0);
      main_loop(child);
    }
    u64 none = 0;
    call(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
    call(SYS_setsid, 0, 0, 0, 0);
    if (child < 0) error = -child, failed[0] = PROGRAM, what = "cannot run";
  }
  if (!error) {
    failed[0] = PROGRAM, what = "cannot run";
    error = execute(program, envp);
  }
  failed[1] = (u32)error;
  call6(SYS_sendto, verdict, (long)failed, sizeof failed, MSG_NOSIGNAL, 0, 0);
  print_error("init", what, program && *program ? *program : "PID 1", error);
  leave(error == ENOENT ? 127 : 126);
  __builtin_unreachable();
}
