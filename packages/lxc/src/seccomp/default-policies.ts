import { constants } from "node:os";
import { capabilityMask, type LinuxCapability } from "../capabilities.ts";
import { ALLOW, type Comparison, errno, type Policy, type Rule } from "./policy.ts";

const { EPERM, EACCES, ENOSYS } = constants.errno;

/**
 * The system calls that every program of an application container may use: Docker's default profile (moby/profiles,
 * seccomp/default.json), without the calls of other processors. Names that a processor does not have do no harm.
 */
const ALLOWED = `
  _llseek _newselect accept accept4 access adjtimex alarm arch_prctl arm_fadvise64_64 arm_sync_file_range bind
  breakpoint brk cacheflush cachestat capget capset chdir chmod chown chown32 clock_adjtime clock_adjtime64
  clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 close
  close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old
  epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat
  faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat
  fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs
  fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat
  get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid
  getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid
  getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid
  getuid32 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy
  io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set ipc kill
  landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen
  listmount listxattr listxattrat llistxattr lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack
  membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 modify_ldt
  mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64
  mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep
  newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll
  ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev
  pselect6 pselect6_time64 ptrace pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom
  recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat renameat2
  restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
  rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min
  sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64
  sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop
  semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list set_thread_area
  set_tid_address set_tls setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer
  setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit
  setsid setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd
  signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount statx symlink
  symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun
  timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64
  timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe
  utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev
`;

/** The system calls that a capability adds, as in Docker's profile. */
const ALLOWED_WITH: Partial<Readonly<Record<LinuxCapability, string>>> = {
  DAC_READ_SEARCH: "open_by_handle_at",
  SYS_ADMIN:
    "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare",
  SYS_BOOT: "reboot",
  SYS_CHROOT: "chroot",
  SYS_MODULE: "delete_module init_module finit_module",
  SYS_PACCT: "acct",
  SYS_PTRACE: "kcmp pidfd_getfd process_madvise",
  SYS_RAWIO: "iopl ioperm",
  SYS_TIME: "settimeofday stime clock_settime clock_settime64",
  SYS_TTY_CONFIG: "vhangup",
  SYS_NICE: "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
  SYSLOG: "syslog",
  BPF: "bpf",
  PERFMON: "perf_event_open",
};

/** sched.h: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. */
const NAMESPACES = 0x7e020000n;
const [AF_ALG, AF_VSOCK] = [38n, 40n];
/** linux/personality.h: Linux, and UNAME26 and the 32-bit Linux, together and alone; all bits ask for the present one. */
const PERSONALITIES = [0n, 0x8n, 0x20000n, 0x20008n, 0xffffffffn];

/**
 * The system calls that programs of an application container may use. A call that exists and is not allowed fails with
 * EPERM; one that is newer than our lists fails with ENOSYS, so that programs use an older one.
 */
export function applicationPolicy(capabilities: ReadonlySet<LinuxCapability>): Policy {
  const key = capabilityMask(capabilities);
  const known = POLICIES.get(key) ?? makeApplicationPolicy(capabilities);
  POLICIES.set(key, known);
  return known;
}

/** By the bits of the capabilities: most containers have the same, and the compiled filter is kept with its policy. */
const POLICIES = new Map<bigint, Policy>();

function makeApplicationPolicy(capabilities: ReadonlySet<LinuxCapability>): Policy {
  const names = words(ALLOWED);
  for (const [capability, text] of Object.entries(ALLOWED_WITH))
    if (capabilities.has(capability as LinuxCapability)) names.push(...words(text));
  const rules = new Map<string, readonly Rule[]>(names.map((name) => [name, [{ action: ALLOW, when: [] }]]));
  const isAdmin = capabilities.has("SYS_ADMIN");
  if (!isAdmin) {
    rules.set("clone", [when(ALLOW, { argument: 0, op: "masked", mask: NAMESPACES, value: 0n })]);
    // Its flags are in memory, where no filter sees them. Programs then use clone.
    rules.set("clone3", [when(errno(ENOSYS))]);
  }
  // The kernel reads only the lower half of these arguments.
  rules.set("socket", [
    ...[AF_ALG, AF_VSOCK].map((value) => when(errno(EPERM), { argument: 0, op: "==", value, bits: 32 })),
    when(ALLOW),
  ]);
  rules.set(
    "personality",
    PERSONALITIES.map((value) => when(ALLOW, { argument: 0, op: "==", value, bits: 32 })),
  );
  return { rules, otherwise: errno(EPERM), unknown: errno(ENOSYS) };
}

/**
 * The system calls that a whole distribution may use: all but those that affect the host. The list of liblxc
 * (common.seccomp) and of Incus (seccomp.go, defaultSeccompPolicy), and the second call that loads a kernel.
 *
 * Keys belong to a uid of the host, in whatever user namespace (keyrings(7)): a container that has users of the host
 * would reach their keys, so it has none.
 */
export function systemPolicy(hasHostUsers = false): Policy {
  return hasHostUsers ? KEYLESS_POLICY : SYSTEM_POLICY;
}

function makeSystemPolicy(missing: readonly string[]): Policy {
  const denied = words("kexec_load kexec_file_load open_by_handle_at init_module finit_module delete_module");
  const MNT_FORCE = 1n;
  return {
    rules: new Map<string, readonly Rule[]>([
      ...denied.map((name) => [name, [when(errno(EPERM))]] as const),
      ...missing.map((name) => [name, [when(errno(ENOSYS))]] as const),
      // It would end the requests of others to a shared file system.
      ["umount2", [when(errno(EACCES), { argument: 1, op: "masked", mask: MNT_FORCE, value: MNT_FORCE })]],
    ]),
    otherwise: ALLOW,
    unknown: ALLOW,
  };
}

const SYSTEM_POLICY = makeSystemPolicy([]);
const KEYLESS_POLICY = makeSystemPolicy(["add_key", "request_key", "keyctl"]);

function when(action: number, ...comparisons: readonly Comparison[]): Rule {
  return { action, when: comparisons };
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}
