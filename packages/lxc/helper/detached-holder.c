/*
 * The holder (packages/core/keeper/holder.h) of a detached program of `exec`: it stands for that program, which runs in a
 * container and is served there by exec-helper.c. It sends the program's descriptors and request over the connection
 * that it got, passes signals on, and tells the keeper how the program ended. While it lives, so does the connection, and
 * with it the program: the end of this process kills the program and everything that it started.
 *
 * Descriptors: 2 errors, 3 the connection of the program, and those of holder.h: STREAMS + 1 and + 2 are the program's.
 * argv: name, "uid gid group…", working directory, the program, its arguments. Its environment is the program's.
 *
 * A signal that this process gets goes to the program's group. SIGKILL and SIGSTOP cannot be caught: 32 and 33 stand for
 * them, which no program can be sent by name (signal(7), "Real-time signals": the C library keeps them for itself).
 */
#include "../../core/keeper/calls.h"
#include "../../core/keeper/holder.h"
#include "exec-protocol.h"

#if defined(__x86_64__)
enum { SYS_sendmsg = 46 };
#else
enum { SYS_sendmsg = 211 };
#endif

#define FOR_KILL 32
#define FOR_STOP 33
enum { SIGSTOP = 19 };

__attribute__((noreturn)) static void fail(long error) {
  struct held report = {HELD_FAILED, STEP_START, (u32)error, 0, 0, 0};
  tell(&report);
  leave(1);
  __builtin_unreachable();
}

/* A standard input that is empty: a pipe without a writer, which the program's user may open again. */
static int no_input(void) {
  int ends[2];
  long error = -call(SYS_pipe2, ends, O_CLOEXEC, 0, 0);
  if (error) fail(error);
  call(SYS_close, ends[1], 0, 0, 0);
  call(SYS_fchmod, ends[0], 0444, 0, 0);
  return ends[0];
}

/* The first message: 0, with the program's descriptors. */
static void send_streams(int input) {
  struct parcel streams = {0, {ROOM_FOR(3), SOL_SOCKET, SCM_RIGHTS, {input, STREAMS + 1, STREAMS + 2}}, {0}, {0}};
  pack(&streams, streams.control.length);
  long sent = call(SYS_sendmsg, CONTROL, &streams.message, MSG_NOSIGNAL, 0);
  if (sent < 0) fail(-sent);
}

static void send_all(const void *from, u64 length) {
  for (u64 at = 0; at < length;) {
    long n = call6(SYS_sendto, CONTROL, (long)from + (long)at, (long)(length - at), MSG_NOSIGNAL, 0, 0);
    if (n == -EINTR) continue;
    if (n < 0) fail(-n);
    at += (u64)n;
  }
}

/* Counts the strings of a list, and the bytes that they have with their NULs. */
static u32 count(char **list, u64 *bytes) {
  u32 n = 0;
  for (; list[n]; n++) *bytes += length_of(list[n]) + 1;
  return n;
}

static void send_list(char **list) {
  for (; *list; list++) send_all(*list, length_of(*list) + 1);
}

/* The numbers of a text, which are separated by spaces. */
static u32 read_numbers(const char *text, u32 *to) {
  u32 n = 0;
  for (; *text && n < MAX_GROUPS + 2; n++) {
    to[n] = 0;
    for (; *text >= '0' && *text <= '9'; text++) to[n] = to[n] * 10 + (u32)(*text - '0');
    while (*text == ' ') text++;
  }
  return n;
}

static void send_request(char **argv, char **envp) {
  static u32 ids[MAX_GROUPS + 2];
  u32 groups = read_numbers(argv[1], ids) - 2;
  u64 strings = length_of(argv[2]) + 1;
  struct request r = {0, ids[0], ids[1], 0, 0, groups, 0, 0};
  r.arguments = count(argv + 3, &strings), r.variables = count(envp, &strings);
  u32 length = (u32)(sizeof r + groups * sizeof(u32) + strings);
  send_all(&length, sizeof length), send_all(&r, sizeof r), send_all(ids + 2, groups * sizeof(u32));
  send_all(argv[2], length_of(argv[2]) + 1);
  send_list(argv + 3), send_list(envp);
}

static void pass_on(long signals) {
  /* signalfd(2): struct signalfd_siginfo begins with the number, and has 128 bytes. */
  u32 news[32];
  while (call(SYS_read, signals, news, sizeof news, 0) == sizeof news) {
    u32 frame[2] = {SIGNAL, news[0] == FOR_KILL ? SIGKILL : news[0] == FOR_STOP ? SIGSTOP : news[0]};
    /* Without waiting: a frozen container does not read. */
    if (news[0] != SIGCHLD) call6(SYS_sendto, CONTROL, (long)frame, sizeof frame, MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
  }
}

__attribute__((used, noreturn)) void run(long *stack) {
  long arguments = stack[0];
  char **argv = (char **)(stack + 1), **envp = argv + arguments + 1;
  u64 all = ~0ul;
  call(SYS_rt_sigprocmask, SIG_BLOCK, &all, 0, 8);
  call(SYS_prctl, PR_SET_NAME, "pileus-detached", 0, 0);
  if (arguments < 4) fail(EINVAL);
  long signals = call(SYS_signalfd4, -1, &all, 8, O_CLOEXEC | O_NONBLOCK);
  if (signals < 0) fail(-signals);
  int input = no_input();
  send_streams(input);
  /* Only the program has them: its end of a stream must be seen. */
  call(SYS_close, input, 0, 0, 0);
  call(SYS_close_range, STREAMS, STREAMS + 2, 0, 0);
  send_request(argv, envp);
  u32 pid = (u32)call(SYS_getpid, 0, 0, 0, 0);
  int has_started = 0;
  u32 frame[2], length = 0;
  for (;;) {
    struct pollfd fds[] = {{CONTROL, POLLIN, 0}, {(int)signals, POLLIN, 0}};
    if (call6(SYS_ppoll, (long)fds, 2, 0, 0, 8, 0) < 0) continue;
    if (fds[1].revents) pass_on(signals);
    if (!fds[0].revents) continue;
    /* Without waiting for the rest of a frame: the peer is in the hands of the container. */
    long n = call6(SYS_recvfrom, CONTROL, (long)frame + length, sizeof frame - length, MSG_DONTWAIT, 0, 0);
    if (n == -EAGAIN || n == -EINTR) continue;
    if (n <= 0) {
      if (!has_started) fail(EPIPE);
      /* Nobody saw how it ended. */
      leave(1);
    }
    length += (u32)n;
    if (length < sizeof frame) continue;
    length = 0;
    if (frame[0] == CROWDED) fail(EAGAIN);
    if (frame[0] < STARTED || frame[0] > ENDED) continue;
    struct held started = {HELD_STARTED, pid, 0, 0, 0, 0};
    if (!has_started) tell(&started);
    has_started = 1;
    if (frame[0] == STARTED) continue;
    report_end(pid, frame[0] == FAILED ? (frame[1] & 0xff) << 8 : frame[1], 0, 0);
    leave(0);
  }
}
