/*
 * The keeper of one run: docs/design/0015-keeper.md. It owns the streams of what runs, logs them, serves readers and one
 * writer, and records how the run ended. A static program without a libc.
 *
 * It inherits descriptors: 3 the first client's connection, which sends CONFIG; 4 the folder run; 5 the folder log; 6 the
 * socket on which it listens; or /dev/null: 7 a program to execute, 8 the socket to which each PID 1 comes, and 9 what
 * the program gets as its descriptor 3. What a plain program gets as its 3, 4 and so on begins at HANDED.
 */
#include "calls.h"
#include "../../lxc/helper/terminal.h"
#include "../../lxc/helper/settings.h"
#include "config.h"
#include "hold.h"
#include "log.h"
#include "streams.h"
#include "clients.h"
#include "end.h"

enum { CONNECTION = 3, RUN_FOLDER, LOG_FOLDER, LISTENER, GIVEN_PROGRAM, GIVEN_ANNOUNCE, GIVEN_FILE };

/* Descriptors of processes; -1: none. `announced` is the connection of a PID 1 that is about to become its program. */
static int holder = -1, program = -1, announced = -1;

static void kill_process(int pidfd) {
  call(SYS_pidfd_send_signal, pidfd, SIGKILL, 0, 0);
}

static void kill_program(void) {
  if (program >= 0) kill_process(program);
  if (program < 0 && run_state.state == STARTING && holder >= 0) kill_process(holder);
}

static void answer_holder(u32 word) {
  call6(SYS_sendto, KEEPER_END, (long)&word, sizeof word, MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
}

static void end_input(void) {
  if (config.terminal || config.console || !config.input) return;
  if (!config.starter) answer_holder(CLOSE_INPUT);
  call(SYS_close, TO_PROGRAM, 0, 0, 0);
}

/* Where a starter's errors are read; -1 where there is none. */
static int errors = -1;

/* Keeps the first of what it prints. */
static void take_errors(void) {
  char rest[1024];
  while (errors >= 0) {
    u32 room = ERROR_TEXT - error_length;
    long n = call(SYS_read, errors, room ? failure.text + error_length : rest, room ? room : sizeof rest, 0);
    if (n <= 0) {
      if (n != -EAGAIN && n != -EINTR) errors = -1;
      return;
    }
    if (room) error_length += (u32)n;
  }
}

static void fail(u32 step, long error) {
  if (failure.step) return;
  failure.step = step, failure.error = (u32)error;
  take_errors();
  tell_all(SAY_FAILED);
}

static void set_program(u32 pid) {
  if (program >= 0) call(SYS_close, program, 0, 0, 0);
  program = lift(call(SYS_pidfd_open, pid, 0, 0, 0));
  run_state.program = pid;
}

static void started(void) {
  /* Its end may have been seen before its beginning, by a keeper that was stopped meanwhile. */
  int is_over = ending.known && ending.pid == run_state.program;
  run_state.state = is_over ? DOWN : RUNNING, run_state.boots++;
  if (!is_over) run_state.rebooting = ending.known = 0;
  record_run();
  tell_all(SAY_STARTED);
  if (is_over) tell_all(SAY_DOWN);
}

/* A PID 1 has come. It waits for a byte before it becomes its program, so its cgroups are looked at in time. */
static void meet_init(void) {
  int fd = lift(call(SYS_accept4, ANNOUNCE, 0, 0, SOCK_CLOEXEC));
  if (fd < 0) return;
  u32 credentials[3] = {0, 0, 0}, length = sizeof credentials;
  call6(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, (long)credentials, (long)&length, 0);
  if (announced >= 0) call(SYS_close, announced, 0, 0, 0);
  announced = fd;
  set_program(credentials[0]);
  if (run_state.doomed) kill_program();
  begin_account();
  if (config.terminal) reset_terminal(), forget_input();
  call6(SYS_sendto, fd, (long)"", 1, MSG_NOSIGNAL, 0, 0);
}

/* It has become its program, which closes the connection, or says why not. */
static void hear_init(void) {
  u32 failed[2];
  long n = call6(SYS_recvfrom, announced, (long)failed, sizeof failed, MSG_DONTWAIT, 0, 0);
  if (n == -EAGAIN || n == -EINTR) return;
  if (n == sizeof failed) fail(STEP_INIT | failed[0] << 8, (long)failed[1]);
  else if (!failure.step) started();
  call(SYS_close, announced, 0, 0, 0);
  announced = -1;
}

static void hear_holder(void) {
  struct held h;
  while (call6(SYS_recvfrom, KEEPER_END, (long)&h, sizeof h, MSG_DONTWAIT, 0, 0) == sizeof h) {
    if (h.kind == HELD_FAILED) fail(h.a, h.b);
    if (h.kind == HELD_STARTED) {
      begin_account();
      set_program(h.a);
      started();
    }
    if (h.kind != HELD_ENDED) continue;
    account();
    answer_holder(SEEN);
    /* An end before the program was executed belongs to a failed start. */
    if (announced >= 0) hear_init();
    run_state.status = h.b, run_state.rebooting = h.c && !run_state.doomed, ending.cpu += h.cpu;
    ending.known = 1, ending.pid = h.a ? h.a : run_state.program;
    if (run_state.state == RUNNING) run_state.state = DOWN, tell_all(SAY_DOWN);
    if (program >= 0) call(SYS_close, program, 0, 0, 0);
    program = -1;
  }
}

/* cgroup-v1/cpusets.rst: no process enters a set without processors and memory. */
static void copy_set(const char *folder, const char *name) {
  char path[4096], value[4096];
  u64 length = length_of(folder), parent = length;
  while (parent && folder[parent - 1] != '/') parent--;
  if (length + 16 > sizeof path || !parent) return;
  copy(path, folder, parent), copy(path + parent, name, length_of(name) + 1);
  long from = call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  copy(path, folder, length), path[length] = '/', copy(path + length + 1, name, length_of(name) + 1);
  long to = call(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
  long n = from >= 0 && to >= 0 ? call(SYS_read, from, value, sizeof value, 0) : 0;
  if (n > 0) call(SYS_write, to, value, n, 0);
  if (from >= 0) call(SYS_close, from, 0, 0, 0);
  if (to >= 0) call(SYS_close, to, 0, 0, 0);
}

static long enter_cgroup(const char *folder) {
  char path[4096];
  struct text t = {path, path + sizeof path - 1};
  long error = -call(SYS_mkdirat, AT_FDCWD, folder, 0755, 0);
  if (error && error != EEXIST) return error;
  copy_set(folder, "cpuset.cpus"), copy_set(folder, "cpuset.mems");
  add(&t, folder), add(&t, "/cgroup.procs"), *t.at = 0;
  long procs = call(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
  if (procs < 0) return -procs;
  long n = call(SYS_write, procs, "0", 1, 0);
  call(SYS_close, procs, 0, 0, 0);
  return n < 0 ? -n : 0;
}

static long enter_cgroups(void) {
  struct entry *e;
  u32 at = 0;
  while ((e = next_entry(&at)))
    if (e->key == CGROUP) {
      long error = enter_cgroup(e->value);
      if (error) return error;
    }
  return 0;
}

/* In the child of the keeper: becomes the holder, or the starter. */
__attribute__((noreturn)) static void become_holder(const int *ends, int told) {
  int first = config.starter ? STREAMS : 0;
  for (int fd = 0; fd < 3; fd++) call(SYS_dup3, ends[fd], first + fd, 0, 0);
  if (config.starter) call(SYS_dup3, told, 2, 0, 0);
  call(SYS_close_range, CONNECTION, GIVEN_ANNOUNCE, 0, 0);
  if (config.starter) call(SYS_dup3, GIVEN_FILE, 3, 0, 0);
  call(SYS_close, GIVEN_FILE, 0, 0, 0);
  if (!config.starter) {
    call(SYS_close_range, PROGRAM, HANDED - 1, 0, 0);
    call(SYS_close_range, HANDED + config.handed, ~0u, 0, 0);
    hold();
  }
  /* All but the program's input, which nobody could close for the starter. */
  for (int fd = CHANNEL; fd <= ERRORS; fd++)
    if (fd != TO_PROGRAM || config.terminal) call(SYS_fcntl, fd, F_SETFD, 0, 0);
  set_defaults();
  struct held failed = {HELD_FAILED, STEP_RUN, (u32)-call(SYS_execve, "/proc/self/fd/17", config.argv, config.envp, 0), 0, 0, 0};
  tell(&failed);
  leave(127);
  __builtin_unreachable();
}

/* Neither end may make anybody wait. */
static long open_errors(int *told) {
  long error = lift_both(call(SYS_pipe2, told, O_CLOEXEC | O_NONBLOCK, 0, 0), told);
  if (error) return error;
  place(told[0], ERRORS);
  errors = ERRORS;
  return 0;
}

static void begin_run(void) {
  int ends[3], channel[2], told[2] = {-1, -1};
  run_state.state = STARTING;
  long file = reserve("exit.new", O_TRUNC), status = reserve("status", O_TRUNC), record = reserve("holder", O_TRUNC);
  if (file < 0 || status < 0 || record < 0) {
    fail(STEP_RESERVE, file < 0 ? -file : status < 0 ? -status : -record);
    return;
  }
  ending.file = (int)file, ending.record = (int)record;
  place(status, STATUS);
  long error = lift_both(call(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel), channel);
  if (!error) {
    place(channel[0], CHANNEL), place(channel[1], KEEPER_END);
    error = open_streams(ends);
    find_sources();
  }
  if (!error && config.starter) error = open_errors(told);
  if (error) {
    fail(STEP_STREAMS, error);
    return;
  }
  notice("start");
  flush_log();
  int pidfd = -1;
  /* CLONE_PIDFD */
  long pid = call6(SYS_clone, SIGCHLD | 0x1000, 0, (long)&pidfd, 0, 0, 0);
  if (pid == 0) become_holder(ends, told[1]);
  if (told[1] >= 0) call(SYS_close, told[1], 0, 0, 0);
  /* Of a terminal the keeper has both ends open: else its master reports a hang-up whenever no program has it open. */
  for (int i = 0; i < 3 && !config.terminal; i++) call(SYS_close, ends[i], 0, 0, 0);
  /* The keeper needs its own end alone. The holder keeps both, for a keeper that takes over. */
  call(SYS_close, CHANNEL, 0, 0, 0);
  if (config.handed) call(SYS_close_range, HANDED, HANDED + config.handed - 1, 0, 0);
  if (pid < 0) {
    fail(STEP_START, -pid);
    return;
  }
  holder = lift(pidfd), run_state.holder = (u32)pid;
  record_run();
}

/* Takes over what a holder holds for a keeper that is gone. */
static void adopt(void) {
  long pidfd = lift(call(SYS_pidfd_open, config.adopt, 0, 0, 0)), error = pidfd < 0 ? -pidfd : 0;
  for (int fd = KEEPER_END; fd <= ERRORS && !error; fd++) {
    if (fd == PROGRAM) continue;
    int got = lift(call(SYS_pidfd_getfd, pidfd, fd, 0, 0));
    if (got >= 0) place(got, fd);
    else if (fd <= STATUS) error = -got;
  }
  /* To empty the first one would give its space back. */
  long file = error ? 0 : reserve("exit.new", 0), record = error ? 0 : reserve("holder", 0);
  if (error || file < 0 || record < 0) {
    if (pidfd >= 0) call(SYS_close, pidfd, 0, 0, 0);
    fail(STEP_START, error ? error : file < 0 ? -file : -record);
    return;
  }
  ending.record = (int)record;
  ending.file = (int)file, holder = (int)pidfd, run_state.holder = config.adopt;
  if (config.terminal) call(SYS_ioctl, TO_PROGRAM, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
  find_sources();
  if (call(SYS_fcntl, ERRORS, F_GETFD, 0, 0) >= 0) errors = ERRORS;
  if (config.program) set_program(config.program);
  run_state.state = config.boots ? RUNNING : STARTING, run_state.boots = config.boots;
  record_run();
  notice("resume");
  flush_log();
}

/* The run is over: records that, tells everybody, and ends. */
__attribute__((noreturn)) static void finish(void) {
  hear_holder();
  if (!ending.known && run_state.program) read_status();
  take_all(), log_parts(1);
  ending.failed = run_state.boots == 0;
  if (ending.failed) fail(STEP_START, 0);
  /* One that could not take over a run does not know its end. */
  if (ending.file >= 0) notice("end");
  flush_log();
  run_state.state = ENDED;
  if (ending.file >= 0) write_exit();
  else exit_text[0] = '{', exit_text[1] = '}', exit_length = 2;
  tell_all(SAY_EXIT);
  call(SYS_close, LISTENER, 0, 0, 0);
  u64 until = nanoseconds(CLOCK_MONOTONIC) + 2000000000ul;
  for (;;) {
    struct pollfd fds[CLIENTS];
    int waiting = 0;
    int polled = used;
    for (int i = 0; i < polled; i++) {
      if (clients[i].fd) send_due(&clients[i]);
      int unsent = clients[i].fd && (clients[i].due & BIT(SAY_EXIT) || clients[i].out_at < clients[i].out_length);
      fds[i] = (struct pollfd){unsent ? clients[i].fd : -1, POLLOUT, 0};
      waiting += unsent;
    }
    u64 now = nanoseconds(CLOCK_MONOTONIC), wait[2] = {(until - now) / 1000000000ul, (until - now) % 1000000000ul};
    if (!waiting || now >= until || call6(SYS_ppoll, (long)fds, polled, (long)wait, 0, 8, 0) == 0) leave(0);
  }
}

/* Reads HELLO and CONFIG from the connection that it inherited. */
static void read_orders(void) {
  u32 header[2], version;
  if (!read_all(CONNECTION, header, 8) || header[0] != HELLO || header[1] != 4 || !read_all(CONNECTION, &version, 4) || !version) leave(126);
  if (!read_all(CONNECTION, header, 8) || header[0] != CONFIG || header[1] > MAX_CONFIG) leave(126);
  char *payload = (char *)call6(SYS_mmap, 0, (long)header[1] + 4, 3, 0x22, -1, 0);
  if ((u64)payload > -4096ul || !read_all(CONNECTION, payload, header[1]) || !read_config(payload, header[1])) leave(126);
  launcher = add_client((int)call(SYS_fcntl, CONNECTION, F_DUPFD_CLOEXEC, FIRST_FREE, 0));
  call(SYS_close, CONNECTION, 0, 0, 0);
  launcher->greeted = least(version, VERSION), launcher->due |= BIT(SAY_READY);
}

static void set_up(void) {
  u64 ignore[4] = {1, 0, 0, 0};
  int ignored[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM};
  set_usual();
  for (int i = 0; i < 4; i++) call(SYS_rt_sigaction, ignored[i], ignore, 0, 8);
  call(SYS_setsid, 0, 0, 0, 0);
  call(SYS_umask, 0, 0, 0, 0);
  call(SYS_prctl, PR_SET_NAME, "pileus-keeper", 0, 0);
  for (int fd = CONNECTION; fd <= GIVEN_FILE; fd++) call(SYS_fcntl, fd, F_SETFD, 1, 0);
  call(SYS_close_range, GIVEN_FILE + 1, HANDED - 1, 0, 0);
  read_orders();
  call(SYS_close_range, HANDED + config.handed, ~0u, 0, 0);
  for (u32 i = 0; i < config.handed; i++) call(SYS_fcntl, HANDED + i, F_SETFD, 1, 0);
  ending.folder = RUN_FOLDER, output.folder = LOG_FOLDER, output.before = config.count;
  if (config.starter) {
    call(SYS_dup3, GIVEN_PROGRAM, PROGRAM, O_CLOEXEC, 0);
    if (!config.adopt) call(SYS_dup3, GIVEN_ANNOUNCE, ANNOUNCE, O_CLOEXEC, 0);
  }
  long error = enter_cgroups();
  if (error) fail(STEP_CGROUP, error);
  else if (config.adopt) adopt();
}

#include "loop.h"

__attribute__((used, noreturn)) void run(long *stack) {
  /* What ps(1) shows. */
  char *shown = (char *)stack[1];
  const char *name = "pileus-keeper";
  for (u64 left = length_of(shown), i = 0; i < left; i++) shown[i] = *name ? *name++ : 0;
  set_up();
  /* Nobody begins a run that could not be taken over. */
  if (config.adopt && failure.step) finish();
  serve();
}
