/*
 * The holder of a container (packages/core/keeper/holder.h): it starts the container by liblxc within its own process, so
 * that it is the parent of PID 1, and liblxc's monitor. It takes no other thing from liblxc than its public interface,
 * which is the same in versions 5 to 7: lxccontainer.h and log.h, where members are only appended.
 *
 * A dynamic program that needs liblxc.so.1 alone, and of the C library only what liblxc brings with it.
 *
 * Its standard error is read by the keeper, and gets the errors of liblxc. PID 1 gets the streams at STREAMS by
 * inheritance (init-helper.c), because liblxc gives its own to another user and mode; a terminal it opens as /dev/console.
 *
 * argv: name, lxcpath, name of the container, the id of its root, its map of users and of groups as in /proc/PID/uid_map
 * (three empty ones: the ids of the host), argv of its PID 1. liblxc finds the configuration by itself, which is not there
 * before the keeper's word.
 */
#include "../../core/keeper/calls.h"
#include "../../core/keeper/holder.h"

typedef struct lxc_container container;

struct lxc_container {
  char *name, *configfile, *pidfile;
  void *slock, *privlock;
  int numthreads;
  void *lxc_conf;
  char *error_string;
  int error_num;
  _Bool daemonize;
  char *config_path;
  void *is_defined, *state, *is_running, *freeze, *unfreeze, *init_pid, *load_config;
  _Bool (*start)(container *, int, char *const[]);
  void *startl, *stop;
  _Bool (*want_daemonize)(container *, _Bool);
  _Bool (*want_close_all_fds)(container *, _Bool);
  void *config_file_name, *wait;
  _Bool (*set_config_item)(container *, const char *, const char *);
};

struct lxc_log {
  const char *name, *lxcpath, *file, *level, *prefix;
  _Bool quiet;
};

extern container *lxc_container_new(const char *name, const char *lxcpath);
extern int lxc_log_init(struct lxc_log *log);
extern int *__errno_location(void);

#if defined(__x86_64__)
enum { SYS_setresuid = 117, SYS_setresgid = 119, SYS_unshare = 272 };
#else
enum { SYS_setresuid = 147, SYS_setresgid = 149, SYS_unshare = 97 };
#endif

enum { USER_NAMESPACE = 3, CLONE_NEWUSER = 0x10000000 };
enum { P_ALL = 0, P_PID = 1, WEXITED = 4, WNOWAIT = 0x01000000, CLD_EXITED = 1, CLD_DUMPED = 3, TCGETS = 0x5401, ECONNRESET = 104 };

/* The PID 1 whose end was reported last. */
static u32 reported;

/* The wait status of a child that has ended and that nobody has waited for, by what waitid(2) tells of it. */
static u32 status_of(const u32 *about) {
  return about[2] == CLD_EXITED ? (about[6] & 0xff) << 8 : about[6] & 0x7f;
}

/* As the C library returns it: errno(3). */
static long result_of(long result) {
  if (result >= 0) return result;
  *__errno_location() = (int)-result;
  return -1;
}

/*
 * Called by liblxc in place of the function of the C library. Its monitor asks for the end of PID 1 without reaping it
 * (start.c, signal_handler), and only then takes down what the container had. So this is the moment to look at its
 * cgroups, and to learn its whole wait status. waitid(2): si_code, si_pid and si_status of siginfo_t.
 */
__attribute__((visibility("default"))) int waitid(int type, u32 id, void *info, int options) {
  long result = call6(SYS_waitid, type, id, (long)info, options, 0, 0);
  if (result < 0) return (int)result_of(result);
  const u32 *about = info;
  if (type == P_PID && options & WNOWAIT && about && about[4] == id && id != reported && about[2] >= CLD_EXITED && about[2] <= CLD_DUMPED) {
    u32 status = status_of(about);
    reported = id;
    /* reboot(2): in a pid namespace, a restart shows as the end of its init by SIGHUP. */
    report_end(id, status, 0, status == SIGHUP);
  }
  return 0;
}

/*
 * Waits until there is something to read, or PID 1 has ended without having sent it. While liblxc sets PID 1 up, it waits
 * for messages of that over a socket of which it has both ends open itself (start.c, lxc_spawn), so it would not see that
 * end: it would wait for ever. It has blocked SIGCHLD by then, and has no other child that has ended. Returns false for
 * such an end, which is reported if it was a kill.
 */
static int await_init(int fd) {
  u32 peer[3] = {0, 0, 0}, length = sizeof peer;
  call6(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, (long)peer, (long)&length, 0);
  /* Every other socket has a peer, and its end is an end of the file. */
  if (peer[0] != (u32)call(SYS_getpid, 0, 0, 0, 0)) return 1;
  u64 child = 1ul << (SIGCHLD - 1);
  long ends = call(SYS_signalfd4, -1, &child, 8, O_CLOEXEC | O_NONBLOCK);
  if (ends < 0) return 1;
  int lost = 0;
  for (;;) {
    struct pollfd fds[] = {{fd, POLLIN, 0}, {(int)ends, POLLIN, 0}};
    u32 news[32], about[32] = {0};
    u64 at_once[2] = {0, 0};
    while (call(SYS_read, ends, news, sizeof news, 0) > 0);
    lost = call6(SYS_waitid, P_ALL, 0, (long)about, WEXITED | WNOHANG | WNOWAIT | WALL, 0, 0) >= 0 && about[4];
    /* What it has sent before its end is there by now. */
    if (call6(SYS_ppoll, (long)fds, 2, lost ? (long)at_once : 0, 0, 8, 0) < 0) continue;
    if (fds[0].revents) lost = 0;
    struct held killed = {HELD_FAILED, STEP_SET_UP, status_of(about), 0, 0, 0};
    if (lost && killed.b & 0x7f) tell(&killed);
    if (lost || fds[0].revents) break;
  }
  call(SYS_close, ends, 0, 0, 0);
  if (lost) *__errno_location() = ECONNRESET;
  return !lost;
}

/* Called by liblxc in place of the functions of the C library, as waitid() is. */
__attribute__((visibility("default"))) long recvmsg(int fd, void *message, int flags) {
  if (!(flags & MSG_DONTWAIT) && !await_init(fd)) return -1;
  return result_of(call(SYS_recvmsg, fd, message, flags, 0));
}

__attribute__((visibility("default"))) long recv(int fd, void *to, u64 length, int flags) {
  if (!(flags & MSG_DONTWAIT) && !await_init(fd)) return -1;
  return result_of(call6(SYS_recvfrom, fd, (long)to, (long)length, flags, 0, 0));
}

/*
 * Where PID 1 has a terminal: its mount as /dev/console, an entry as in fstab(5). The container gets the keeper's terminal
 * itself, not one that liblxc relays to it: that would wait, with all else that a monitor does, for whoever does not read.
 */
static const char *console_mount(void) {
  static char entry[128];
  u32 settings[16];
  if (call(SYS_ioctl, STREAMS, TCGETS, settings, 0) < 0) return 0;
  long length = call6(SYS_readlinkat, AT_FDCWD, (long)"/proc/self/fd/19", (long)entry, 64, 0, 0);
  if (length < 0) return 0;
  struct text t = {entry + length, entry + sizeof entry - 1};
  add(&t, " dev/console none bind,create=file 0 0");
  /* The keeper has both ends open. */
  call(SYS_close_range, STREAMS, STREAMS + 2, 0, 0);
  return entry;
}

/* capabilities(7): SECBIT_NO_SETUID_FIXUP. unshare(2) sets it back in a new user namespace. */
enum { PR_SET_SECUREBITS = 28, NO_SETUID_FIXUP = 1 << 2 };

/*
 * In a child: becomes the user, makes the namespace as that, and keeps it until its parent has it. It keeps its
 * capabilities until then, because hosts refuse user namespaces to users without CAP_SYS_ADMIN: Debian with the sysctl
 * kernel.unprivileged_userns_clone=0, Ubuntu with kernel.apparmor_restrict_unprivileged_userns=1. With the namespace it
 * has none over the host.
 */
__attribute__((noreturn)) static void make_namespace(u32 id, int parent) {
  long error = -call(SYS_setgroups, 0, 0, 0, 0);
  if (!error) error = -call(SYS_prctl, PR_SET_SECUREBITS, NO_SETUID_FIXUP, 0, 0);
  if (!error) error = -call(SYS_setresgid, id, id, id, 0);
  if (!error) error = -call(SYS_setresuid, id, id, id, 0);
  if (!error) error = -call(SYS_unshare, CLONE_NEWUSER, 0, 0, 0);
  u32 answer = (u32)error;
  call(SYS_write, parent, &answer, sizeof answer, 0);
  read_all(parent, &answer, 1);
  leave(0);
  __builtin_unreachable();
}

static long file_of(u32 pid, const char *name, int flags) {
  char path[64];
  struct text t = {path, path + sizeof path - 1};
  add(&t, "/proc/"), add_number(&t, pid), add(&t, name), *t.at = 0;
  return call(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0);
}

static long write_map(u32 pid, const char *name, const char *map) {
  long file = file_of(pid, name, O_WRONLY);
  if (file < 0) return -file;
  long n = call(SYS_write, file, map, length_of(map), 0);
  call(SYS_close, file, 0, 0, 0);
  return n < 0 ? -n : 0;
}

/*
 * Puts a user namespace without a process at USER_NAMESPACE, whose owner is its own root. The kernel counts what the
 * programs inside use (inotify instances, namespaces) also for the owner of their namespace (ucounts in
 * linux/kernel/ucount.c): if root of the host had made it, one container could use up what all of root's programs may have.
 * Returns the errno, and in `step` what has failed.
 */
static long open_namespace(const char *root, const char *users, const char *groups, u32 *step) {
  int ends[2];
  u32 id = 0, answer;
  for (; *root; root++) id = id * 10 + (u32)(*root - '0');
  *step = STEP_NAMESPACE;
  long error = -call(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
  if (error) return error;
  long child = call(SYS_clone, SIGCHLD, 0, 0, 0);
  if (child == 0) {
    call(SYS_close, ends[0], 0, 0, 0);
    make_namespace(id, ends[1]);
  }
  call(SYS_close, ends[1], 0, 0, 0);
  if (child < 0) error = -child;
  else error = read_all(ends[0], &answer, sizeof answer) ? (long)answer : ECHILD;
  if (!error) {
    *step = STEP_IDMAP;
    error = write_map((u32)child, "/uid_map", users);
    if (!error) error = write_map((u32)child, "/gid_map", groups);
    long opened = error ? 0 : file_of((u32)child, "/ns/user", O_RDONLY);
    if (opened < 0) error = -opened;
    if (opened > 0) call(SYS_dup3, opened, USER_NAMESPACE, O_CLOEXEC, 0), call(SYS_close, opened, 0, 0, 0);
  }
  call(SYS_close, ends[0], 0, 0, 0);
  if (child > 0) call(SYS_wait4, child, 0, 0, 0);
  return error;
}

/*
 * Makes room for the descriptors of liblxc. It opens more than 64, and some while the child by which it makes PID 1 shares
 * the table with it. The kernel lets a shared table grow only after all processors have been through their scheduler
 * (expand_fdtable() in fs/file.c), which takes as long as the half of a start.
 */
static void widen_table(void) {
  long last = call(SYS_fcntl, CHANNEL, F_DUPFD_CLOEXEC, 255, 0);
  if (last >= 0) call(SYS_close, last, 0, 0, 0);
}

/* Until the keeper says so, there is no configuration and no root. Only from then on does this process outlive the keeper. */
static void wait_for_word(void) {
  u32 word = 0;
  while (word != GO_ON) {
    long n = call6(SYS_recvfrom, CHANNEL, (long)&word, sizeof word, 0, 0, 0);
    if (n <= 0 && n != -EINTR) leave(1);
  }
  call(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0);
}

__attribute__((used, noreturn)) void run(long *stack) {
  char **argv = (char **)(stack + 1);
  if (stack[0] < 8) leave(126);
  const char *root = argv[3], *users = argv[4], *groups = argv[5];
  for (int fd = CHANNEL; fd <= ERRORS; fd++) call(SYS_fcntl, fd, F_SETFD, 1, 0);
  call(SYS_prctl, PR_SET_NAME, "pileus-starter", 0, 0);
  widen_table();
  struct lxc_log log = {0, 0, 0, "ERROR", "start", 0};
  lxc_log_init(&log);
  struct held failed = {HELD_FAILED, 0, 0, 0, 0, 0};
  if (*root && (failed.b = (u32)open_namespace(root, users, groups, &failed.a))) {
    tell(&failed);
    leave(1);
  }
  wait_for_word();
  container *c = lxc_container_new(argv[2], argv[1]);
  int ok = c && c->want_daemonize(c, 0) && c->want_close_all_fds(c, 0);
  const char *console = console_mount();
  if (ok) ok = c->set_config_item(c, "lxc.console.path", "none");
  if (ok && console) ok = c->set_config_item(c, "lxc.mount.entry", console);
  if (ok) c->start(c, 0, argv + 6);
  /* A liblxc that asks in another way: code << 8, or signal << 8 | 0x7f. */
  if (ok && !reported && c->error_num > 1) {
    u32 number = (u32)c->error_num;
    report_end(0, (number & 0x7f) == 0x7f ? number >> 8 & 0x7f : number & 0xff00, 0, 0);
  }
  leave(0);
  __builtin_unreachable();
}
