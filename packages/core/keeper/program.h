/* The program of the run, as the keeper hears of it: from its holder, and from each PID 1 of a container. */
#include "announce.h"

/* Descriptors of processes; -1: none. `announced` is the connection of a PID 1 that is about to become its program. */
static int holder = -1, program = -1, announced = -1;

static void kill_process(int pidfd) {
  call(SYS_pidfd_send_signal, pidfd, SIGKILL, 0, 0);
}

/*
 * The keeper inherits what the holder leaves, so it can end that, too: the holder may have started the program and have
 * told nobody yet.
 */
static void give_up(void) {
  run_state.given_up = 1;
  kill_process(holder);
  if (program >= 0) kill_process(program);
}

static void kill_program(void) {
  if (program >= 0) kill_process(program);
  if (program < 0 && run_state.state <= STARTING && holder >= 0) give_up();
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
  between_boots = 0;
  /* What runs outlives its holder. */
  if (!run_state.given_up) call(SYS_prctl, PR_SET_CHILD_SUBREAPER, 0, 0, 0);
  if (!is_over) run_state.rebooting = ending.known = 0;
  record_run();
  tell_all(SAY_STARTED);
  if (is_over) tell_all(SAY_DOWN);
}

static void answer_init(char word) {
  call6(SYS_sendto, announced, (long)&word, 1, MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
}

/* A PID 1 has come. It waits for an answer before it becomes its program, so its cgroups are looked at in time. */
static void meet_init(void) {
  int fd = lift(call(SYS_accept4, ANNOUNCE, 0, 0, SOCK_CLOEXEC));
  if (fd < 0) return;
  u32 credentials[3] = {0, 0, 0}, length = sizeof credentials;
  call6(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, (long)credentials, (long)&length, 0);
  if (announced >= 0) call(SYS_close, announced, 0, 0, 0);
  announced = fd;
  set_program(credentials[0]);
  /* For the next keeper, which does not hear from this PID 1. */
  record_run();
  if (run_state.doomed) kill_program();
  begin_account();
  answer_init(config.terminal ? HOLD : GO);
}

/* It waits for its terminal; or has become its program, which closes the connection; or says why not. */
static void hear_init(void) {
  u32 failed[2];
  long n = call6(SYS_recvfrom, announced, (long)failed, sizeof failed, MSG_DONTWAIT, 0, 0);
  if (n == -EAGAIN || n == -EINTR) return;
  if (n == 1 && *(char *)failed == HELD) {
    reset_terminal(), forget_input();
    between_boots = 0;
    answer_init(GO);
    return;
  }
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
    if (config.terminal && run_state.rebooting) forget_input(), between_boots = 1;
    if (program >= 0) call(SYS_close, program, 0, 0, 0);
    program = -1;
  }
}
