/*
 * What the programs of this folder share: system calls without a libc, and how a program is looked for and its absence told.
 * Each defines `run`, which gets the stack as the kernel leaves it: argc, argv, 0, envp, 0.
 */
typedef unsigned int u32;
typedef unsigned long u64;

#if defined(__x86_64__)
enum {
  SYS_read = 0, SYS_write = 1, SYS_close = 3, SYS_mmap = 9, SYS_rt_sigaction = 13, SYS_rt_sigprocmask = 14, SYS_ioctl = 16,
  SYS_clone = 56, SYS_execve = 59, SYS_wait4 = 61, SYS_kill = 62, SYS_fcntl = 72, SYS_chdir = 80, SYS_fchown = 93,
  SYS_setuid = 105, SYS_setgid = 106, SYS_setsid = 112, SYS_setgroups = 116, SYS_umount2 = 166, SYS_exit_group = 231,
  SYS_openat = 257, SYS_unlinkat = 263,
  SYS_ppoll = 271, SYS_dup3 = 292, SYS_pipe2 = 293, SYS_pidfd_open = 434, SYS_close_range = 436,
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
  SYS_dup3 = 24, SYS_fcntl = 25, SYS_ioctl = 29, SYS_unlinkat = 35, SYS_umount2 = 39, SYS_chdir = 49, SYS_fchown = 55, SYS_openat = 56, SYS_close = 57, SYS_pipe2 = 59,
  SYS_read = 63, SYS_write = 64, SYS_ppoll = 73, SYS_exit_group = 94, SYS_kill = 129, SYS_rt_sigaction = 134,
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

enum { EINTR = 4, EAGAIN = 11, EACCES = 13, ENOENT = 2, ENOTDIR = 20, EIO = 5 };

static void leave(int code) {
  for (;;) call(SYS_exit_group, code, 0, 0, 0);
}

static u64 length_of(const char *text) {
  u64 n = 0;
  while (text[n]) n++;
  return n;
}

static void complain(const char *program, const char *what, const char *which, long error) {
  char line[512], digits[12];
  u64 at = 0, n = 0;
  const char *why = error == ENOENT ? "not found" : error == EACCES ? "permission denied" : error == ENOTDIR ? "not a folder" : "error ";
  const char *parts[] = {program, ": ", what, " ", which, ": ", why};
  for (int i = 0; i < 7; i++)
    for (const char *c = parts[i]; *c && at < 480; c++) line[at++] = *c;
  if (error != ENOENT && error != EACCES && error != ENOTDIR) {
    do digits[n++] = '0' + error % 10;
    while (error /= 10);
    while (n) line[at++] = digits[--n];
  }
  line[at++] = '\n';
  call(SYS_write, 2, line, at, 0);
}

/* Returns the error that execvp(3) would: of the last place where there was something. */
static long execute(char **argv, char **envp) {
  const char *name = argv[0];
  for (const char *c = name; *c; c++)
    if (*c == '/') return -call(SYS_execve, name, argv, envp, 0);
  const char *path = "";
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
      long error = -call(SYS_execve, full, argv, envp, 0);
      if (error != ENOENT && error != ENOTDIR) found = error;
    }
    if (!path[n]) return found;
    path += n + 1;
  }
}
