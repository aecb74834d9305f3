/*
 * What the programs of this folder share: system calls without a libc, and how to look up a program and report its
 * absence. Each program defines `run`, which gets the stack as the kernel leaves it: argc, argv, 0, envp, 0.
 */
typedef unsigned int u32;
typedef unsigned long u64;

#if defined(__x86_64__)
enum {
  SYS_read = 0, SYS_write = 1, SYS_close = 3, SYS_mmap = 9, SYS_rt_sigaction = 13, SYS_rt_sigprocmask = 14, SYS_ioctl = 16,
  SYS_clone = 56, SYS_execve = 59, SYS_wait4 = 61, SYS_kill = 62, SYS_fcntl = 72, SYS_getcwd = 79, SYS_chdir = 80, SYS_fchown = 93,
  SYS_setuid = 105, SYS_setgid = 106, SYS_setsid = 112, SYS_setgroups = 116, SYS_mount = 165, SYS_umount2 = 166, SYS_exit_group = 231, SYS_waitid = 247,
  SYS_recvmsg = 47, SYS_socket = 41, SYS_connect = 42, SYS_sendto = 44, SYS_umask = 95, SYS_setpriority = 141, SYS_sched_setscheduler = 144, SYS_prctl = 157, SYS_sched_setaffinity = 203,
  SYS_ioprio_set = 251, SYS_openat = 257, SYS_unlinkat = 263, SYS_signalfd4 = 289, SYS_prlimit64 = 302,
  SYS_keyctl = 250, SYS_lseek = 8, SYS_capget = 125, SYS_capset = 126, SYS_ppoll = 271, SYS_seccomp = 317, SYS_dup3 = 292, SYS_pipe2 = 293, SYS_pidfd_open = 434, SYS_close_range = 436,
};
static long call6(long n, long a, long b, long c, long d, long e, long f) {
  long r;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return r;
}
__asm__(".globl _start\n_start: xor %ebp,%ebp; mov %rsp,%rdi; and $-16,%rsp; call run\n");
#elif defined(__aarch64__)
enum {
  SYS_dup3 = 24, SYS_fcntl = 25, SYS_ioctl = 29, SYS_unlinkat = 35, SYS_umount2 = 39, SYS_mount = 40, SYS_getcwd = 17, SYS_chdir = 49, SYS_fchown = 55, SYS_openat = 56, SYS_close = 57, SYS_pipe2 = 59,
  SYS_ioprio_set = 30, SYS_keyctl = 219, SYS_lseek = 62, SYS_capget = 90, SYS_capset = 91, SYS_seccomp = 277, SYS_read = 63, SYS_write = 64, SYS_ppoll = 73, SYS_signalfd4 = 74, SYS_sched_setscheduler = 119,
  SYS_sched_setaffinity = 122, SYS_setpriority = 140, SYS_umask = 166, SYS_recvmsg = 212, SYS_socket = 198, SYS_connect = 203, SYS_sendto = 206, SYS_prctl = 167, SYS_prlimit64 = 261,
  SYS_exit_group = 94, SYS_waitid = 95, SYS_kill = 129, SYS_rt_sigaction = 134,
  SYS_rt_sigprocmask = 135, SYS_setgid = 144, SYS_setuid = 146, SYS_setsid = 157, SYS_setgroups = 159, SYS_clone = 220,
  SYS_execve = 221, SYS_mmap = 222, SYS_wait4 = 260, SYS_pidfd_open = 434, SYS_close_range = 436,
};
static long call6(long n, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = n;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
__asm__(".globl _start\n_start: mov x29,#0; mov x30,#0; mov x0,sp; b run\n");
#else
#error "no system calls for this architecture"
#endif

#define call(n, a, b, c, d) call6(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

enum { EPERM = 1, ENOENT = 2, EINTR = 4, E2BIG = 7, ENOEXEC = 8, ECHILD = 10, EAGAIN = 11, EACCES = 13, ENOTDIR = 20, EINVAL = 22 };
enum { AT_FDCWD = -100, O_WRONLY = 1, O_RDWR = 2, O_NOCTTY = 0400, O_NONBLOCK = 04000, O_CLOEXEC = 02000000 };
enum { SIGKILL = 9, SIGPIPE = 13, SIGCHLD = 17, SIG_BLOCK = 0, SIG_SETMASK = 2 };

/* The compiler calls these for structures. */
void *memcpy(void *to, const void *from, u64 length) {
  for (u64 i = 0; i < length; i++) ((char *)to)[i] = ((const char *)from)[i];
  return to;
}
void *memset(void *to, int byte, u64 length) {
  for (u64 i = 0; i < length; i++) ((char *)to)[i] = (char)byte;
  return to;
}

static void leave(int code) {
  call(SYS_exit_group, code, 0, 0, 0);
  /* A filter may refuse even this; then a fault ends the process, PID 1 of a namespace included. */
  for (;;) __builtin_trap();
}

static u64 length_of(const char *text) {
  u64 n = 0;
  while (text[n]) n++;
  return n;
}

/* asm-generic/errno-base.h and errno.h: the errors of execve(2), chdir(2) and fork(2). */
static const struct {
  long error;
  const char *why;
} reasons[] = {
  {2, "not found"}, {13, "permission denied"}, {20, "not a folder"}, {1, "EPERM"}, {5, "EIO"}, {7, "E2BIG"}, {8, "ENOEXEC"}, {11, "EAGAIN"},
  {12, "ENOMEM"}, {14, "EFAULT"}, {21, "EISDIR"}, {22, "EINVAL"}, {23, "ENFILE"}, {24, "EMFILE"}, {26, "ETXTBSY"}, {36, "ENAMETOOLONG"},
  {40, "ELOOP"}, {80, "ELIBBAD"}, {122, "EDQUOT"},
};

static void print_error(const char *program, const char *what, const char *which, long error) {
  char line[512], digits[12];
  u64 at = 0, n = 0;
  const char *why = "error ";
  for (u64 i = 0; i < sizeof reasons / sizeof *reasons; i++)
    if (reasons[i].error == error) why = reasons[i].why, error = 0;
  const char *parts[] = {program, ": ", what, " ", which, ": ", why};
  /* Long names are cut, so that the reason always fits. */
  for (int i = 0; i < 7; i++)
    for (const char *c = parts[i]; *c && at < (i == 4 ? 440 : 480); c++) line[at++] = *c;
  if (error) {
    do digits[n++] = '0' + error % 10;
    while (error /= 10);
    while (n) line[at++] = digits[--n];
  }
  line[at++] = '\n';
  call(SYS_write, 2, line, at, 0);
}

/* Sets what every program begins with, whatever started it: no signal is ignored or blocked, the umask is 022. */
static void set_defaults(void) {
  u64 none = 0, action[4] = {0, 0, 0, 0};
  for (int s = 1; s <= 64; s++) call(SYS_rt_sigaction, s, action, 0, 8);
  call(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
  call(SYS_umask, 022, 0, 0, 0);
}

/*
 * Enters a folder, which must be within the root: by a link of /proc, a name can lead to a folder of the host that a
 * process on the way here had open or was in. getcwd(2): the path of such a folder does not begin with a slash.
 */
static long enter(const char *path) {
  static char found[4096];
  long error = -call(SYS_chdir, path, 0, 0, 0);
  if (error) return error;
  long length = call(SYS_getcwd, found, sizeof found, 0, 0);
  if (length < 0) return -length;
  return found[0] == '/' ? 0 : EPERM;
}

/*
 * Whether a file is a program for another architecture, or a broken program: a shell would run it as a script. Returns
 * true if the user may not read the file, because a shell could not read it either.
 */
static int is_binary(const char *path) {
  char head[4] = {0, 0, 0, 0};
  long fd = call(SYS_openat, AT_FDCWD, path, O_CLOEXEC, 0);
  if (fd < 0) return 1;
  call(SYS_read, fd, head, sizeof head, 0);
  call(SYS_close, fd, 0, 0, 0);
  return head[0] == 0x7f && head[1] == 'E' && head[2] == 'L' && head[3] == 'F';
}

#define MAX_SHELL_ARGUMENTS 262144
static char *shell_argv[MAX_SHELL_ARGUMENTS];

/*
 * Executes one file as execvp(3) does: the shell runs a text file of unknown format. If there is no shell, returns the
 * first error.
 */
static long execute_file(const char *path, char **argv, char **envp) {
  long error = -call(SYS_execve, path, argv, envp, 0);
  if (error != ENOEXEC || is_binary(path)) return error;
  u64 n = 2;
  shell_argv[0] = (char *)"/bin/sh", shell_argv[1] = (char *)path;
  for (char **a = argv + 1; *a; a++) {
    if (n == MAX_SHELL_ARGUMENTS - 1) return E2BIG;
    shell_argv[n++] = *a;
  }
  call(SYS_execve, shell_argv[0], shell_argv, envp, 0);
  return ENOEXEC;
}

/* Returns the error that execvp(3) would return: that of the last existing file. */
static long execute(char **argv, char **envp) {
  const char *name = argv[0];
  for (const char *c = name; *c; c++)
    if (*c == '/') return execute_file(name, argv, envp);
  /* confstr(3), _CS_PATH: the default if there is no PATH. */
  const char *path = "/bin:/usr/bin";
  for (char **e = envp; *e; e++)
    if ((*e)[0] == 'P' && (*e)[1] == 'A' && (*e)[2] == 'T' && (*e)[3] == 'H' && (*e)[4] == '=') path = *e + 5;
  long found = ENOENT;
  u64 length = length_of(name);
  if (length == 0) return ENOENT;
  for (;;) {
    static char full[8192];
    u64 n = 0;
    while (path[n] && path[n] != ':') n++;
    if (n + length + 2 <= sizeof full) {
      u64 at = 0;
      for (u64 i = 0; i < n; i++) full[at++] = path[i];
      if (n) full[at++] = '/';
      for (u64 i = 0; i <= length; i++) full[at++] = name[i];
      long error = execute_file(full, argv, envp);
      if (error != ENOENT && error != ENOTDIR) found = error;
    }
    if (!path[n]) return found;
    path += n + 1;
  }
}
