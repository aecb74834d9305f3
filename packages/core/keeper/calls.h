/* System calls and structures of the keeper besides those of base.h: linux/unistd.h of each architecture. */
#include "../../lxc/helper/base.h"

#if defined(__x86_64__)
enum {
  SYS_fsync = 74, SYS_ftruncate = 77, SYS_fchmod = 91, SYS_getpid = 39, SYS_getppid = 110, SYS_recvfrom = 45, SYS_socketpair = 53, SYS_getsockopt = 55,
  SYS_pread64 = 17, SYS_pwrite64 = 18, SYS_clock_gettime = 228, SYS_mkdirat = 258, SYS_renameat = 264, SYS_readlinkat = 267, SYS_getdents64 = 217, SYS_fallocate = 285, SYS_accept4 = 288,
  SYS_fstat = 5, SYS_newfstatat = 262,
};
#else
enum {
  SYS_fsync = 82, SYS_ftruncate = 46, SYS_fchmod = 52, SYS_getpid = 172, SYS_getppid = 173, SYS_recvfrom = 207, SYS_socketpair = 199, SYS_getsockopt = 209,
  SYS_pread64 = 67, SYS_pwrite64 = 68, SYS_clock_gettime = 113, SYS_mkdirat = 34, SYS_renameat = 38, SYS_readlinkat = 78, SYS_getdents64 = 61, SYS_fallocate = 47, SYS_accept4 = 242,
  SYS_fstat = 80, SYS_newfstatat = 79,
};
#endif
enum { SYS_pidfd_send_signal = 424, SYS_pidfd_getfd = 438 };

enum { EEXIST = 17, EPIPE = 32, EOPNOTSUPP = 95, ESRCH = 3, ENOSPC = 28, EPROTO = 71, ETIME = 62 };
enum { O_RDONLY = 0, O_CREAT = 0100, O_TRUNC = 01000, O_APPEND = 02000, O_NOFOLLOW = 0400000, F_SETFD = 2, SEEK_END = 2, FALLOC_FL_KEEP_SIZE = 1, AT_SYMLINK_NOFOLLOW = 0x100 };
enum { F_GETFD = 1, F_DUPFD_CLOEXEC = 1030 };
enum { POLLIN = 1, POLLOUT = 4, POLLERR = 8, POLLHUP = 16 };
enum { AF_UNIX = 1, SOCK_STREAM = 1, SOCK_SEQPACKET = 5, SOCK_NONBLOCK = 04000, SOCK_CLOEXEC = 02000000, MSG_NOSIGNAL = 0x4000, MSG_DONTWAIT = 0x40 };
enum { SOL_SOCKET = 1, SO_PEERCRED = 17, CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 1 };
enum { WNOHANG = 1, WALL = 0x40000000, PR_SET_PDEATHSIG = 1, PR_SET_NAME = 15, PR_SET_CHILD_SUBREAPER = 36, TIOCSCTTY = 0x540e, FIONREAD = 0x541b };
enum { TCXONC = 0x540a, TCFLSH = 0x540b, TIOCNXCL = 0x540d, TIOCSETD = 0x5423, TIOCGETD = 0x5424, TIOCSLCKTRMIOS = 0x5457 };
enum { TCOOFF = 0, TCOON = 1, TCIFLUSH = 0 };
enum { SIGHUP = 1, SIGINT = 2, SIGTERM = 15 };

struct pollfd {
  int fd;
  short events, revents;
};

/* Copies whole words where it can: the streams pass through it. */
static void copy(char *to, const char *from, u64 length) {
  u64 i = 0;
  for (; i + 8 <= length; i += 8) __builtin_memcpy(to + i, from + i, 8);
  for (; i < length; i++) to[i] = from[i];
}

static u64 nanoseconds(int clock) {
  u64 time[2] = {0, 0};
  call(SYS_clock_gettime, clock, time, 0, 0);
  return time[0] * 1000000000ul + time[1];
}

/* Returns true when everything was read; false at the end of the file. */
static int read_all(int fd, void *to, u64 length) {
  for (u64 at = 0; at < length;) {
    long n = call(SYS_read, fd, (char *)to + at, length - at, 0);
    if (n == -EINTR) continue;
    if (n <= 0) return 0;
    at += (u64)n;
  }
  return 1;
}

/* Text that is put together; what does not fit is left out. */
struct text {
  char *at, *end;
};

static void add(struct text *t, const char *part) {
  while (*part && t->at < t->end) *t->at++ = *part++;
}

static void add_number(struct text *t, u64 n) {
  char digits[20];
  int count = 0;
  do digits[count++] = (char)('0' + n % 10);
  while (n /= 10);
  while (count && t->at < t->end) *t->at++ = digits[--count];
}

/* Exactly `width` digits. */
static char *put_digits(char *to, u64 n, int width) {
  for (int i = width - 1; i >= 0; i--) to[i] = (char)('0' + n % 10), n /= 10;
  return to + width;
}

/* The number after `key` and a space at the beginning of a line, or the first number of the file without a key; -1 if there is none. */
static long read_number(const char *path, const char *key) {
  static char found[4096];
  long fd = call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return -1;
  long length = call(SYS_read, fd, found, sizeof found - 1, 0);
  call(SYS_close, fd, 0, 0, 0);
  if (length <= 0) return -1;
  found[length] = 0;
  for (char *line = found; *line;) {
    char *c = line;
    const char *k = key;
    while (*k && *c == *k) c++, k++;
    if (!*k && (!*key || *c == ' ')) {
      if (*c == ' ') c++;
      if (*c < '0' || *c > '9') return -1;
      long n = 0;
      for (; *c >= '0' && *c <= '9'; c++) n = n * 10 + (*c - '0');
      return n;
    }
    while (*line && *line != '\n') line++;
    if (*line) line++;
  }
  return -1;
}
